"""A kiosk without a daemon: a real store in a folder, a desk that only remembers, clocks moved by hand."""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from httpx import Response

from edge_agent.config import Config, KioskConfig
from edge_agent.contracts.case import Case
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.terms import Vocabulary
from edge_agent.ipc import Message
from edge_agent.kiosk.app import ROOMS, create_app
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Account, Accounts, Role
from edge_agent.store.audit import AuditTrail
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox

PIN = "284617"
ORIGIN = "http://localhost"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def routes() -> list[tuple[str, str]]:
    """Return path and method of every route of every room, found by enumeration."""
    found = [route for room in ROOMS for route in room.routes if isinstance(route, APIRoute)]
    return sorted((route.path, method) for route in found for method in route.methods or ())


def filled(path: str, **known: str) -> str:
    """Return a route's path with its places filled: the known ones, else with an id that nobody has."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda place: known.get(place[1], "7" * 32), path)


class HandClock:
    """Tell a date and a monotonic time that pass only by ``pass_s``."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        """Return the present moment."""
        return self.moment

    def monotonic(self) -> float:
        """Return the present seconds."""
        return self.seconds

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


class RealClock(HandClock):
    """The system's clocks: a browser lives in real time."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the present seconds."""
        return time.monotonic()


class QuietDesk:
    """Take cases and remember them; ``told`` is what ``status`` says, ``messages`` what whoever follows a case hears."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages
        self.submitted: list[Case] = []
        self.told: dict[str, Any] = {
            "daemon": {"pid": 100, "child_pid": 101, "child_state": "idle"},
            "device": "CPU",
            "bundle_dir": "/bundle",
            "hub_connected": False,
            "outbox": {"queued": 3, "sent": 0, "stored": 12, "rejected": 0, "quarantined": 0},
            "cases": {"stored": 1, "running": 0, "reported": 2, "failed": 0},
            "pending": 1,
        }

    def submit(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:  # noqa: ARG002  (same shape as the daemon's)
        """Remember a case."""
        self.submitted.append(case)

    @contextmanager
    def follow(self, case_id: str) -> Iterator[queue.Queue[Message]]:  # noqa: ARG002  (same shape as the daemon's)
        """Give a queue with the messages; nothing else happens in it."""
        heard: queue.Queue[Message] = queue.Queue()
        for message in self.messages:
            heard.put(message)
        yield heard

    def status(self) -> Mapping[str, Any]:
        """Return what was told."""
        return self.told


@contextmanager
def kiosk_parts(folder: Path, *, clock: HandClock | None = None, **kiosk: Any) -> Iterator[KioskParts]:
    """Give the parts of a kiosk over a fresh store; ``kiosk`` changes the section [kiosk]."""
    folder.mkdir(exist_ok=True)
    hand = clock or HandClock()
    config = Config(state_dir=folder, kiosk=KioskConfig(**kiosk))
    with Database(folder / "store.db", StoreKey("00" * 32)) as database:
        audit = AuditTrail(database, clock=hand.now, is_synchronised=lambda: False)
        yield KioskParts(
            database=database,
            cases=CaseStore(database),
            outbox=Outbox(database),
            accounts=Accounts(database, audit=audit, clock=hand.now, hasher=CHEAP),
            audit=audit,
            practice=Practice(),
            vocabulary=Vocabulary.load(),
            config=config,
            clock=hand.now,
            monotonic=hand.monotonic,
            desk=QuietDesk(),
        )


class Browser(TestClient):
    """A browser with a session of the kiosk; sends the headers that a real one sends.

    Args:
        parts: of the kiosk that it looks at.
        app: a kiosk that another browser looks at too; None starts one.
    """

    def __init__(self, parts: KioskParts, app: FastAPI | None = None) -> None:
        app = create_app(parts) if app is None else app
        self.kiosk = app
        super().__init__(app, base_url=ORIGIN, headers={"origin": ORIGIN}, follow_redirects=False)
        self.parts = parts

    def come_in(self) -> Browser:
        """Exchange the start token for a session."""
        door = self.kiosk.state.door
        answer = self.get("/", params={"token": door.token})
        assert answer.status_code == 303, answer.text
        return self

    def signed_in(self, name: str, *roles: Role) -> Browser:
        """Come in as a new account of these roles."""
        self.come_in().sign_in(self.account(name, *roles))
        return self

    def account(self, name: str = "Nurse Li", *roles: Role) -> Account:
        """Add an account with the PIN of all tests."""
        return self.parts.accounts.add(name, roles=roles or (Role.WORKER,), pin=PIN, by="(test)")

    def sign_in(self, account: Account, pin: str = PIN) -> Response:
        """Sign in through the page."""
        return self.submit("/sign-in", account=account.account_id, pin=pin)

    def csrf(self) -> str:
        """Return the CSRF token of the present session, as the pages carry it."""
        found = re.search(r'name="csrf" content="([^"]+)"', self.get("/about").text)
        assert found is not None
        return found[1]

    def submit(self, path: str, **fields: Any) -> Response:
        """Send a form with the session's CSRF token."""
        answer: Response = self.post(path, data={"csrf": self.csrf(), **fields})
        return answer
