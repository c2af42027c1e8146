"""Build what the kiosk's page works with, beside the daemon's own parts. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.config import Config
from edge_agent.state_dir import prepare_state_dir

if TYPE_CHECKING:
    from edge_agent.contracts.policy import Policy
    from edge_agent.contracts.practice import Practice
    from edge_agent.kiosk.clock_watch import ClockWatch
    from edge_agent.kiosk.parts import CameraPort, CaseDesk, KioskParts, Log
    from edge_agent.store.accounts import Accounts
    from edge_agent.store.audit import AuditTrail
    from edge_agent.store.database import Database

SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd(8): touched when the clock was set


@dataclass(frozen=True, slots=True)
class Registry:
    """Hold the accounts of a device and its trail."""

    accounts: Accounts
    audit: AuditTrail


def utc_now() -> datetime:
    """Return the present moment by the system's clock."""
    return datetime.now(UTC)


def build_registry(database: Database) -> Registry:
    """Build accounts and trail over an open store."""
    from edge_agent.store.accounts import Accounts
    from edge_agent.store.audit import AuditTrail

    audit = AuditTrail(database, clock=utc_now, is_synchronised=SYNCHRONISED.exists)
    return Registry(Accounts(database, audit=audit, clock=utc_now), audit)


@contextmanager
def open_registry(config: Config) -> Iterator[Registry]:
    """Open the store for accounts and trail alone, beside a running daemon or without one.

    Raises:
        StoreError: it cannot be opened.
        ConfigError: the state folder cannot be written.
    """
    from edge_agent.store.database import Database
    from edge_agent.store_bootstrap import store_key

    prepare_state_dir(config.state_dir)
    with Database(*store_key(config)) as database:
        yield build_registry(database)


def build_kiosk_parts(
    config: Config,
    database: Database,
    *,
    desk: CaseDesk,
    camera: CameraPort | None,
    log: Log,
    faults: Callable[[], Sequence[str]],
    uplink_seen: Callable[[], datetime | None],
    practice: Practice | None = None,
    policy: Policy | None = None,
    **more: Any,
) -> KioskParts:
    """Build the parts of the page over the daemon's open store.

    Args:
        config: the device's configuration.
        database: open, and kept open until the server has stopped.
        desk: takes cases; usually the daemon.
        camera: live; None where none is set up.
        log: the daemon's.
        faults: ids of what is wrong now; quick. A wrong clock is added here.
        uplink_seen: the last exchange with the centre.
        practice: None reads the configured file.
        policy: in force; its deadlines hold on every page. None: the built-in strict one.
        **more: fields that other rooms added to ``KioskParts``.

    Raises:
        ConfigError: the practice file or the vocabulary cannot be read.
    """
    from edge_agent.contracts.policy import Policy
    from edge_agent.contracts.terms import Vocabulary
    from edge_agent.kiosk.clock_watch import ClockWatch
    from edge_agent.kiosk.parts import KioskParts
    from edge_agent.policy.rules import with_country_deadlines
    from edge_agent.practice import load_practice
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.outbox import Outbox

    registry, held = build_registry(database), policy or Policy()
    fields: dict[str, Any] = {"cases": CaseStore(database), "outbox": Outbox(database), **more}
    return KioskParts(
        database=database,
        accounts=registry.accounts,
        audit=registry.audit,
        practice=load_practice(config.practice_file) if practice is None else practice,
        vocabulary=with_country_deadlines(held, Vocabulary.load()),
        config=by_policy(config, held),
        clock=utc_now,
        desk=desk,
        camera=camera,
        log=log,
        faults=partial(_faults, faults, ClockWatch(registry.audit.clock_trust)),
        uplink_seen=uplink_seen,
        policy=held,
        **fields,
    )


def by_policy(config: Config, policy: Policy) -> Config:
    """Return the configuration with the page as patient as the policy allows: an operator's wish can only be stricter (R7)."""
    from edge_agent.policy.rules import preview_rule

    kiosk = config.kiosk
    shorter = {
        "blank_after_s": min(kiosk.blank_after_s, float(preview_rule(policy).blanks_after_s)),
        "sign_out_after_s": min(kiosk.sign_out_after_s, policy.session_timeout_min * 60.0),
    }
    return config.model_copy(update={"kiosk": kiosk.model_copy(update=shorter)})


def _faults(others: Callable[[], Sequence[str]], clock: ClockWatch) -> Sequence[str]:
    return (*others(), "clock_wrong") if clock.is_wrong() else tuple(others())
