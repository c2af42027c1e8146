"""Build what runs cases: the checked configuration, the engine's children with their guard, the work on cases.

What cannot be used becomes a fault of the wish: then the daemon runs in safe mode, and no engine is built.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from device_profiles.loader import load_profile
from device_profiles.profile import Profile
from edge_agent.bootstrap import engine_wish, resolve_profile
from edge_agent.casework import CaseWork
from edge_agent.contracts.terms import Vocabulary
from edge_agent.engine_bootstrap import verify_bundle
from edge_agent.errors import InferenceError
from edge_agent.inference_child import InferenceChild, OnProgress, StartError, State
from edge_agent.policy.rules import sync_rule, with_country_deadlines
from edge_agent.practice import load_practice
from edge_agent.rules_only import rules_only_report
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose
from edge_agent.supervision.engine_guard import EngineGuard
from edge_agent.supervision.logs import Log
from edge_agent.supervision.safe_mode import Wish

if TYPE_CHECKING:
    from edge_agent.bootstrap import Store
    from edge_agent.contracts.case import Case
    from edge_agent.contracts.manifest import Manifest
    from edge_agent.contracts.policy import Policy
    from edge_agent.contracts.shown_field import OnField
    from edge_agent.device_bootstrap import Devices
    from edge_agent.devices.ladder import Ladder, OnStep

SPARE_PROFILE = "generic"


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


def build_engine(
    checked: Checked, *, stop: threading.Event, log: Log, devices: Devices | None
) -> tuple[Ladder | None, EngineGuard | None]:
    """Build the engine's children and who guards them; none where nothing may be inferred. Starts nothing."""
    from edge_agent.device_bootstrap import build_ladder

    if checked.manifest is None:
        return None, None
    config, manifest = checked.wish.config, checked.manifest
    child = build_ladder(config, manifest, stop=stop, on_step=report_step(log), devices=devices)
    return child, EngineGuard(child, is_stopping=stop.is_set, log=log)


def build_case_work(
    checked: Checked,
    store: Store,
    *,
    child: Ladder | None,
    guard: EngineGuard | None,
    policy: Policy,
    stop: threading.Event,
    log: Log,
) -> CaseWork:
    """Build the work on cases, by the policy in force; without an engine the rules alone report.

    Args:
        checked: what the configuration names.
        store: of the device.
        child: the engine's; None in safe mode.
        guard: runs cases in it; None in safe mode.
        policy: in force.
        stop: set when the daemon ends.
        log: told of every failed attempt.
    """
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
