"""Build the daemon with everything that it owns, once, in order; what cannot be built becomes a fault, not an end.

Only what keeps cases is needed: the state folder, its lock, the store and its key. Everything else may be broken: then
the daemon runs in safe mode (``supervision.safe_mode``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from device_profiles.loader import load_profile
from device_profiles.profile import Profile
from edge_agent.bootstrap import build_uplink, engine_wish, open_store, resolve_profile
from edge_agent.casework import CaseWork
from edge_agent.config import Config
from edge_agent.contracts.terms import Vocabulary
from edge_agent.daemon import Daemon, Parts
from edge_agent.engine_bootstrap import verify_bundle
from edge_agent.errors import EdgeError, InferenceError
from edge_agent.inference_child import InferenceChild, OnProgress, StartError, State
from edge_agent.policy.load import PolicyInForce, policy_in_force
from edge_agent.policy.rules import sync_rule, with_country_deadlines
from edge_agent.practice import load_practice
from edge_agent.rules_only import rules_only_report
from edge_agent.state_dir import StateLock, prepare_state_dir
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose
from edge_agent.store_bootstrap import build_storage_room
from edge_agent.supervision.engine_guard import EngineGuard
from edge_agent.supervision.governor import Governor, PowerSensor, SystemPower
from edge_agent.supervision.logs import FOLDER, Log, LogLimits, build_log
from edge_agent.supervision.notify import Notifier
from edge_agent.supervision.parts import CameraService, NoUplink, Sending, ServicePart
from edge_agent.supervision.safe_mode import Wish, keep_last_good
from edge_agent.supervision.upkeep import HOUR_S, MINUTE_S, Chore, Upkeep
from edge_agent.workload import predicted_s

if TYPE_CHECKING:
    from edge_agent.bootstrap import Store
    from edge_agent.capture.live import LiveCamera
    from edge_agent.contracts.case import Case
    from edge_agent.contracts.manifest import Manifest
    from edge_agent.contracts.policy import Policy
    from edge_agent.contracts.shown_field import OnField
    from edge_agent.device_bootstrap import Devices
    from edge_agent.devices.ladder import Ladder, OnStep
    from edge_agent.kiosk.consultation_parts import ConsultationParts
    from edge_agent.kiosk.parts import KioskParts
    from edge_agent.kiosk.server import KioskServer

SPARE_PROFILE = "generic"
POWER_LOOK_S = 15.0  # what pages, status and metrics tell is at most so old; the desk looks anew before each case


@dataclass(frozen=True, slots=True)
class Checked:
    """Hold what was looked at before anything is built; ``manifest`` is None where nothing may be inferred."""

    wish: Wish
    profile: Profile
    manifest: Manifest | None


def check_wish(wish: Wish) -> Checked:
    """Look at everything that the configuration names: profile, bundle, practice file. Builds nothing.

    What is wrong becomes a fault of the wish that is returned; one fault is enough for safe mode.
    """
    config = wish.config
    spare = load_profile(SPARE_PROFILE)
    manifest: Manifest | None = None
    has_profile = len(wish.faults)
    wish, profile = wish.checked("profile", lambda: resolve_profile(config), default=spare)
    if len(wish.faults) == has_profile:

        def verified() -> Manifest | None:
            return verify_bundle(engine_wish(config), profile=profile).manifest

        wish, manifest = wish.checked("bundle_dir", verified, default=None)
    wish, _ = wish.checked("practice_file", lambda: load_practice(config.practice_file), default=None)
    return Checked(wish, profile, None if wish.faults else manifest)


@contextmanager
def open_daemon(
    wish: Wish,
    *,
    stop: threading.Event,
    devices: Devices | None = None,
    notifier: Notifier | None = None,
    sensor: PowerSensor | None = None,
) -> Iterator[Daemon]:
    """Build the daemon with everything that it owns. Takes the state lock; starts nothing.

    Args:
        wish: the device's configuration, and what is wrong with its file.
        stop: set by the caller to end the daemon.
        devices: that may be used; None are those of this computer.
        notifier: told how the daemon fares; None: nobody.
        sensor: of heat and battery; None are those of this computer.

    Raises:
        DaemonError: another process uses the state folder.
        StoreError: the store cannot be opened.
        ConfigError: the state folder cannot be used.
    """
    config = wish.config
    prepare_state_dir(config.state_dir)
    limits = LogLimits(config.log.file_bytes, config.log.files, config.log.days)
    log = build_log(config.state_dir / FOLDER, limits=limits)
    with StateLock(config.state_dir, wait_s=5.0), open_store(config, is_locked=True) as store:
        checked = check_wish(wish)  # after the store: whether that opens should not wait for a bundle to be verified
        wish = checked.wish
        keep_last_good(wish)
        for fault in wish.faults:
            log.warning("safe_mode", fault=fault)
        policy = policy_in_force(config)
        if policy.refusal:
            log.warning("policy.refused", refusal=policy.refusal)
        child, guard = _engine(checked, stop=stop, log=log, devices=devices)
        room = build_storage_room(config, store, profile=checked.profile)
        governor = Governor(checked.profile.power, sensor=sensor or SystemPower())
        try:
            parts = Parts(
                cases=store.cases,
                outbox=store.outbox,
                child=child,
                work=_case_work(checked, store, child=child, guard=guard, policy=policy.policy, stop=stop, log=log),
                uplink=_uplink(checked, store, log),
                stop=stop,
                log=log,
                guard=guard,
                faults=wish.faults,
                reasons=_quality_reasons(),
                storage=lambda: room.stage,
                governor=governor,
                notifier=notifier or Notifier(),
            )
            camera = _camera(checked)
            daemon = Daemon(
                parts,
                bundle_dir=config.bundle_dir,
                state_dir=config.state_dir,
                camera=camera,
                predict=None if checked.manifest is None else partial(predicted_s, checked.manifest, checked.profile),
            )
            if camera is not None:
                daemon.supervise(ServicePart("camera", CameraService(camera)))
            rooms = _rooms(config, store, policy=policy, daemon=daemon)
            if store.upkeep_error is not None:
                log.warning("store.upkeep", **store.upkeep_error.diagnostics())
            watch = (Chore("room", MINUTE_S, room.step), Chore("power", POWER_LOOK_S, governor.look))
            daemon.supervise(Upkeep((*watch, *rooms.chores), log=log))
            _add_web(daemon, wish, store, rooms=rooms, log=log)
            yield daemon
        finally:
            if child is not None:
                child.stop()


def _engine(
    checked: Checked, *, stop: threading.Event, log: Log, devices: Devices | None
) -> tuple[Ladder | None, EngineGuard | None]:
    """Build the engine's children and who guards them; none where nothing may be inferred."""
    from edge_agent.device_bootstrap import build_ladder

    if checked.manifest is None:
        return None, None
    config, manifest = checked.wish.config, checked.manifest
    child = build_ladder(config, manifest, stop=stop, on_step=report_step(log), devices=devices)
    return child, EngineGuard(child, is_stopping=stop.is_set, log=log)


def _case_work(
    checked: Checked,
    store: Store,
    *,
    child: Ladder | None,
    guard: EngineGuard | None,
    policy: Policy,
    stop: threading.Event,
    log: Log,
) -> CaseWork:
    withdrawals = Withdrawals(store.database, vault=store.vault)
    return CaseWork(
        store.cases,
        runner=guard or _Held(),
        without_model=partial(
            rules_only_report,
            manifest=checked.manifest,
            vocabulary=with_country_deadlines(policy, Vocabulary.load()),
        ),
        profile_class=checked.profile.profile_class,
        is_stopping=stop.is_set,
        on_failure=(lambda _case_id, _error: None) if child is None else report_failure(child, log),
        may_leave=lambda consent: sync_rule(policy, consent).is_allowed,
        is_help_withdrawn=lambda case_id: any(
            one.purpose is WithdrawnPurpose.PROGRAM_HELP for one in withdrawals.of(case_id)
        ),
    )


class _Held:
    """Run no case: the desk does not ask while there are faults."""

    def run(
        self,
        case: Case,  # noqa: ARG002
        *,
        on_progress: OnProgress | None = None,  # noqa: ARG002
        on_field: OnField | None = None,  # noqa: ARG002
    ) -> dict[str, object]:
        raise StartError("nothing is inferred in safe mode; the case waits")


def _quality_reasons() -> tuple[str, ...]:
    from edge_agent.contracts.terms import FOLDER as VOCABULARY
    from edge_agent.contracts.terms import read_toml

    return tuple(one["id"] for one in read_toml(VOCABULARY / "views.toml", what="views")["quality_reason"]["values"])


def _uplink(checked: Checked, store: Store, log: Log) -> Sending:
    config = checked.wish.config
    try:
        hours = config.broker.windows or checked.profile.sync.windows
        return build_uplink(config, store.outbox, log=log, hours=hours)
    except EdgeError as exc:  # cases go on without the hub; the part says what to mend
        log.warning("uplink.settings", **exc.diagnostics())
        return NoUplink(exc)


def _camera(checked: Checked) -> LiveCamera | None:
    """Build the camera that the configuration names; None where it names none. Opens nothing."""
    from edge_agent.capture.live import LiveCamera
    from edge_agent.capture.live_source import camera_settings

    config = checked.wish.config.capture
    return None if config.source is None else LiveCamera(camera_settings(config, checked.profile.camera))


@dataclass(frozen=True, slots=True)
class Rooms:
    """Hold what the pages and the upkeep share: the policy in force, the consultations, what is done every hour."""

    policy: PolicyInForce
    consultation: ConsultationParts
    chores: tuple[Chore, ...]

    def faults(self) -> tuple[str, ...]:
        """Return ids of what is wrong here, for the banner on every page."""
        if self.policy.refusal:
            return ("policy_refused",)
        return ("policy_expired",) if self.policy.policy.is_expired(datetime.now(UTC).date()) else ()


def _rooms(config: Config, store: Store, *, policy: PolicyInForce, daemon: Daemon) -> Rooms:
    from edge_agent.consultation_bootstrap import build_consultation, tend_consultations
    from edge_agent.kiosk_bootstrap import utc_now
    from edge_agent.store_bootstrap import build_retention

    room = build_consultation(
        store.database,
        cases=store.cases,
        vault=store.vault,
        policy=policy.policy,
        on_refused=daemon.metrics.refused,
    )
    retention = build_retention(config, store, policy=policy.policy)
    chores = (
        Chore("drafts", HOUR_S, lambda: tend_consultations(room, desk=daemon.desk, now=utc_now())),
        Chore("retention", HOUR_S, lambda: retention.run(is_dry=False)),
    )
    return Rooms(policy, room, chores)


def _add_web(daemon: Daemon, wish: Wish, store: Store, *, rooms: Rooms, log: Log) -> None:
    """Let the daemon serve the kiosk's pages, where they are wanted."""
    if not wish.config.kiosk.is_enabled:
        return
    from edge_agent.supervision.web_service import WebService

    def build() -> KioskServer:
        from edge_agent.kiosk.server import KioskServer

        return KioskServer(_kiosk_parts(daemon, wish, store, rooms=rooms, log=log))

    daemon.supervise(ServicePart("web", WebService(build, socket_path=wish.config.kiosk.socket)))


def _kiosk_parts(daemon: Daemon, wish: Wish, store: Store, *, rooms: Rooms, log: Log) -> KioskParts:
    from edge_agent.contracts.practice import Practice
    from edge_agent.kiosk_bootstrap import build_kiosk_parts

    _, practice = wish.checked("practice_file", lambda: load_practice(wish.config.practice_file), default=Practice())
    return build_kiosk_parts(
        wish.config,
        store.database,
        desk=daemon.desk,
        camera=daemon.camera,
        log=log,
        faults=lambda: tuple(dict.fromkeys((*daemon.fault_ids(), *rooms.faults()))),
        uplink_seen=daemon.uplink_seen,
        practice=practice,
        cases=store.cases,
        outbox=store.outbox,
        metrics=daemon.metrics.text,
        policy=rooms.policy.policy,
        consultation=rooms.consultation,
    )


def report_failure(child: InferenceChild | Ladder, log: Log) -> Callable[[str, InferenceError], None]:
    """Return what ``CaseWork`` tells of a failed attempt: a log line, and the end of a child that was left half-way."""

    def on_failure(case_id: str, error: InferenceError) -> None:
        log.warning("case.failed", case_id=case_id, **error.diagnostics())
        if child.state in (State.STARTING, State.BUSY):  # what it says next belongs to no case
            child.stop()

    return on_failure


def report_step(log: Log) -> OnStep:
    """Return what the ladder tells of a step down: a log line."""

    def on_step(before: str, after: str, why: str) -> None:
        log.warning("device.step", before=before, after=after, why=why)

    return on_step
