"""Build the daemon with everything that it owns, once, in order; what cannot be built becomes a fault, not an end.

Only what keeps cases is needed: the state folder, its lock, the store and its key. Everything else may be broken: then
the daemon runs in safe mode (``supervision.safe_mode``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from edge_agent.bootstrap import build_uplink, open_store
from edge_agent.casework_bootstrap import Checked, build_case_work, build_engine, check_wish
from edge_agent.config import Config
from edge_agent.contracts.local_time import day_of
from edge_agent.daemon import Daemon, Parts
from edge_agent.errors import EdgeError
from edge_agent.policy.load import PolicyInForce, policy_in_force
from edge_agent.practice import load_practice
from edge_agent.state_dir import StateLock, prepare_state_dir
from edge_agent.store_bootstrap import build_storage_room
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
    from edge_agent.device_bootstrap import Devices
    from edge_agent.kiosk.consultation_parts import ConsultationParts
    from edge_agent.kiosk.parts import KioskParts
    from edge_agent.kiosk.server import KioskServer

POWER_LOOK_S = 15.0  # what pages, status and metrics tell is at most so old; the desk looks anew before each case


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
        child, guard = build_engine(checked, stop=stop, log=log, devices=devices)
        room = build_storage_room(config, store, profile=checked.profile)
        governor = Governor(checked.profile.power, sensor=sensor or SystemPower())
        try:
            parts = Parts(
                cases=store.cases,
                outbox=store.outbox,
                child=child,
                work=build_case_work(
                    checked, store, child=child, guard=guard, policy=policy.policy, stop=stop, log=log
                ),
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
        return ("policy_expired",) if self.policy.policy.is_expired(day_of(datetime.now(UTC))) else ()


def _rooms(config: Config, store: Store, *, policy: PolicyInForce, daemon: Daemon) -> Rooms:
    from edge_agent.consultation_bootstrap import build_consultation, tend_consultations
    from edge_agent.kiosk_bootstrap import build_registry, utc_now
    from edge_agent.store_bootstrap import build_retention

    room = build_consultation(
        store.database,
        cases=store.cases,
        vault=store.vault,
        audit=build_registry(store.database).audit,
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
