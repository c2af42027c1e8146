"""What the rooms of the kiosk work with; built once by ``bootstrap`` and handed to ``create_app``."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from edge_agent.config import Config
from edge_agent.contracts.case import Case
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import Translations, load_translations
from edge_agent.interop.exporter import Press
from edge_agent.interop.pdf import PdfPress
from edge_agent.ipc import Message
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.store.accounts import Accounts
from edge_agent.store.audit import AuditTrail
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.outbox import Outbox


class CaseDesk(Protocol):
    """Take cases for the three agents and tell how they get on; the daemon is one."""

    def submit(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:
        """Store a case durably, then queue it; ``awaits_sign_off``: nothing leaves before a clinician has signed."""
        ...

    def follow(self, case_id: str) -> AbstractContextManager[queue.Queue[Message]]:
        """Give a queue with what happens to a case from now on: PROGRESS, FIELD, REPORT, ERROR."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return counts and processes, as ``derm-edge status`` shows them."""
        ...


class CameraPort(Protocol):
    """Show what the camera sees now; nothing is recorded."""

    def status(self) -> Any:
        """Return the camera's state and fault."""
        ...

    def latest(self) -> Any:
        """Return the newest frame; None without a fresh one."""
        ...

    def preview_jpeg(self, max_px: int = 720) -> bytes | None:
        """Return the newest frame, small, for the screen; None without a fresh one."""
        ...


class Log(Protocol):
    """Write one structured line; never patient data."""

    def info(self, event: str, **details: Any) -> Any:
        """Write what happened."""
        ...

    def warning(self, event: str, **details: Any) -> Any:
        """Write what somebody should look at."""
        ...

    def exception(self, event: str, **details: Any) -> Any:
        """Write the present error with its traceback."""
        ...


def _no_faults() -> Sequence[str]:
    return ()


@dataclass(frozen=True, kw_only=True)
class KioskParts:
    """Hold what the rooms need; a room takes its part from here and builds nothing.

    ``faults`` gives the ids of what is wrong with the device now (``kiosk/faults.py`` has the words); it must be quick,
    for every page asks. ``uplink_seen`` gives the moment of the last exchange with the hub, None if there was none.
    """

    database: Database
    cases: CaseStore
    outbox: Outbox
    accounts: Accounts
    audit: AuditTrail
    practice: Practice
    vocabulary: Vocabulary
    config: Config
    clock: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    desk: CaseDesk
    camera: CameraPort | None = None
    policy: Any = None
    consultation: ConsultationParts | None = None
    log: Log | None = None
    press: Press = field(default_factory=PdfPress)
    translations: Translations = field(default_factory=load_translations)
    faults: Callable[[], Sequence[str]] = _no_faults
    metrics: Callable[[], bytes] | None = None  # in Prometheus' text format, for /metrics
    uplink_seen: Callable[[], datetime | None] = lambda: None
