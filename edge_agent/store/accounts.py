"""Named local accounts with a PIN: who may do what on this device, without any server.

A PIN has few digits, so guessing is slowed on the device itself: the count of wrong PINs is kept in the store, the
wait grows with it, and after ten the account is locked until a maintainer gives it a new PIN.

Source: argon2id, RFC 9106; argon2-cffi's default profile (RFC 9106 low memory).
"""

from __future__ import annotations

import json
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from edge_agent.errors import AccountError, PinRefused
from edge_agent.store.audit import Action, AuditTrail, Clock
from edge_agent.store.database import Database
from edge_agent.store.pin_rules import MAX_FAILURES, check_new_pin, wait_s

MAX_NAME: Final = 40
COMMAND_LINE: Final = "(command line)"
SET_UP: Final = "(first set-up)"
EMERGENCY: Final = "(emergency access)"
_COLUMNS = "account_id, name, display_name, roles, created, is_disabled, must_change_pin, failures, last_failure"


class Role(StrEnum):
    """Name what an account may do; an account has one or several."""

    WORKER = "worker"
    CLINICIAN = "clinician"
    PRESCRIBER = "prescriber"
    TCM_PRACTITIONER = "tcm_practitioner"
    MAINTAINER = "maintainer"


@dataclass(frozen=True, slots=True)
class Account:
    """Hold one account as others may see it: never its PIN."""

    account_id: str
    name: str
    display_name: str
    roles: frozenset[Role]
    created: datetime
    is_disabled: bool
    must_change_pin: bool
    failures: int
    last_failure: datetime | None

    @property
    def is_locked(self) -> bool:
        """Say whether too many wrong PINs were entered."""
        return self.failures >= MAX_FAILURES


@dataclass(frozen=True, slots=True)
class Person:
    """Hold who is signed in: a named account, or somebody in emergency access who has no name here."""

    account_id: str | None
    name: str
    display_name: str
    roles: frozenset[Role]
    is_emergency: bool = False
    must_change_pin: bool = False


def person_of(account: Account) -> Person:
    """Return the signed-in person of an account."""
    shown, must_change = account.display_name, account.must_change_pin
    return Person(account.account_id, account.name, shown, account.roles, must_change_pin=must_change)


def sign_in_name(display_name: str) -> str:
    """Return the unchanging name for the audit trail that belongs to a name as people write it."""
    plain = unicodedata.normalize("NFKC", display_name).casefold()
    return ".".join("".join(c if c.isalnum() else " " for c in plain).split())[:MAX_NAME]


def display_names(database: Database) -> dict[str, str]:
    """Return the name as people write it for every sign-in name; disabled accounts too, for they may have signed."""
    return {str(name): str(shown) for name, shown in database.rows("SELECT name, display_name FROM accounts")}


class Accounts:
    """Keep the accounts of this device. Every change is one transaction together with its row in the audit trail.

    Does not know sessions. Nothing is ever deleted: a disabled account's name stays in the trail.

    Args:
        database: the device's store.
        audit: where every change is noted.
        clock: the present moment, aware, UTC.
        hasher: argon2id; a test brings a cheap one.
    """

    def __init__(
        self, database: Database, *, audit: AuditTrail, clock: Clock, hasher: PasswordHasher | None = None
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._hasher = hasher or PasswordHasher()

    def all(self) -> tuple[Account, ...]:
        """Return every account, the disabled ones too, in order of their names."""
        return tuple(_account(row) for row in self._database.rows(f"SELECT {_COLUMNS} FROM accounts ORDER BY name"))  # noqa: S608

    def usable(self) -> tuple[Account, ...]:
        """Return the accounts that may sign in."""
        return tuple(one for one in self.all() if not one.is_disabled)

    def get(self, account_id: str) -> Account:
        """Return one account.

        Raises:
            AccountError: there is none.
        """
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM accounts WHERE account_id = ?", (account_id,))  # noqa: S608
        if not rows:
            raise AccountError("there is no such account; look at the list of accounts", reason="unknown")
        return _account(rows[0])

    def named(self, name: str) -> Account:
        """Return the account with this name.

        Raises:
            AccountError: there is none.
        """
        found = [one for one in self.all() if one.name == sign_in_name(name)]
        if not found:
            raise AccountError(f"there is no account {name!r}; derm-edge account list shows them", reason="unknown")
        return found[0]

    def add_first(self, display_name: str, *, roles: Collection[Role], pin: str, by: str) -> Account:
        """Add the very first account of a device, and no other.

        Raises:
            AccountError: there is one already (reason ``not_first``), or as for ``add``.
        """
        return self._add(display_name, roles=roles, pin=pin, by=by, is_first=True)

    def add(
        self, display_name: str, *, roles: Collection[Role], pin: str, by: str, must_change_pin: bool = False
    ) -> Account:
        """Add an account.

        Raises:
            AccountError: the name is empty, too long or taken; no role; the PIN is too easy.
        """
        return self._add(display_name, roles=roles, pin=pin, by=by, must_change_pin=must_change_pin)

    def _add(
        self,
        display_name: str,
        *,
        roles: Collection[Role],
        pin: str,
        by: str,
        must_change_pin: bool = False,
        is_first: bool = False,
    ) -> Account:
        shown = " ".join(unicodedata.normalize("NFC", display_name).split())
        name = sign_in_name(shown)
        if not name or len(shown) > MAX_NAME:
            raise AccountError(f"write a name of 1 to {MAX_NAME} characters", reason="name_length")
        if not roles:
            raise AccountError("choose at least one role for the account", reason="no_role")
        check_new_pin(pin)
        hashed = self._hasher.hash(pin)  # before the transaction: it takes a while by design
        account_id, created = secrets.token_hex(16), self._clock().astimezone(UTC).isoformat()
        with self._database.transaction() as connection:
            if is_first and connection.execute("SELECT 1 FROM accounts").fetchone():
                raise AccountError("this device has accounts already; sign in", reason="not_first")
            if connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone():
                raise AccountError("this name is taken; add a letter or a second name", reason="name_taken")
            connection.execute(
                "INSERT INTO accounts (account_id, name, display_name, roles, pin_hash, created, must_change_pin)"
                " VALUES (?,?,?,?,?,?,?)",
                (account_id, name, shown, json.dumps(sorted(roles)), hashed, created, int(must_change_pin)),
            )
            self._audit.append(connection, by, Action.ACCOUNT_ADDED, detail=account_id)
        return self.get(account_id)

    def set_disabled(self, account_id: str, *, is_disabled: bool, by: str) -> None:
        """Disable an account, or let it sign in again. The last maintainer cannot be disabled.

        Raises:
            AccountError: there is none, or nobody could maintain the device any more.
        """
        account = self.get(account_id)
        others = [one for one in self.usable() if one.account_id != account_id and Role.MAINTAINER in one.roles]
        if is_disabled and Role.MAINTAINER in account.roles and not others:
            raise AccountError("this is the last maintainer; make another one first", reason="last_maintainer")
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE accounts SET is_disabled = ? WHERE account_id = ?", (int(is_disabled), account_id)
            )
            action = Action.ACCOUNT_DISABLED if is_disabled else Action.ACCOUNT_ENABLED
            self._audit.append(connection, by, action, detail=account_id)

    def reset_pin(self, account_id: str, *, pin: str, by: str) -> None:
        """Give an account a new PIN that its owner must change at the next sign-in; unlocks it too.

        Raises:
            AccountError: there is no such account, or the PIN is too easy.
        """
        self.get(account_id)
        self._write_pin(account_id, pin, by=by, action=Action.PIN_RESET, must_change_pin=True)

    def change_pin(self, account_id: str, *, old: str, new: str) -> None:
        """Let the owner choose a new PIN.

        Raises:
            PinRefused: the old one is wrong.
            AccountError: the new one is too easy, or is the old one.
        """
        account = self.check_pin(account_id, old)
        if secrets.compare_digest(old.encode(), new.encode()):
            raise AccountError("choose a PIN that is not the old one", reason="pin_same")
        self._write_pin(account_id, new, by=account.name, action=Action.PIN_CHANGED, must_change_pin=False)

    def check_pin(self, account_id: str, pin: str) -> Account:
        """Return the account if the PIN is right and may be tried now; a wrong one makes the next wait longer.

        The attempt is counted, durably, before the PIN is compared: cutting the power wins no free guess.

        Raises:
            PinRefused: wrong, too early (``wait_s``), or locked.
            AccountError: there is no such account, or it is disabled.
        """
        account = self._admit(account_id)
        hashed = str(self._database.rows("SELECT pin_hash FROM accounts WHERE account_id = ?", (account_id,))[0][0])
        try:
            self._hasher.verify(hashed, pin)
        except (VerifyMismatchError, VerificationError, InvalidHashError) as exc:
            self._audit.note(account.name, Action.PIN_REFUSED)
            left = MAX_FAILURES - account.failures
            raise PinRefused("this PIN is wrong; try again", wait_s=self._wait_s(account), left=left) from exc
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE accounts SET failures = 0, last_failure = NULL WHERE account_id = ?", (account_id,)
            )
        return account

    def _admit(self, account_id: str) -> Account:
        """Count one attempt if it may be made now; return the account with that attempt counted as a failure."""
        with self._database.transaction() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM accounts WHERE account_id = ?", (account_id,)).fetchone()  # noqa: S608
            if row is None or (account := _account(row)).is_disabled:
                raise AccountError("this account cannot sign in; ask the maintainer", reason="unknown")
            if account.is_locked:
                raise PinRefused("this account is locked; ask the maintainer for a new PIN", wait_s=0.0, left=0)
            wait = self._wait_s(account)
            if wait <= 0:
                now = self._clock().astimezone(UTC).isoformat()
                connection.execute(
                    "UPDATE accounts SET failures = failures + 1, last_failure = ? WHERE account_id = ?",
                    (now, account_id),
                )
        if wait > 0:
            left = MAX_FAILURES - account.failures
            raise PinRefused("wait before the next PIN", wait_s=wait, left=left, reason="too_early")
        return self.get(account_id)

    def _wait_s(self, account: Account) -> float:
        return wait_s(account.failures, account.last_failure, now=self._clock())

    def _write_pin(self, account_id: str, pin: str, *, by: str, action: Action, must_change_pin: bool) -> None:
        check_new_pin(pin)
        hashed = self._hasher.hash(pin)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE accounts SET pin_hash = ?, must_change_pin = ?, failures = 0, last_failure = NULL"
                " WHERE account_id = ?",
                (hashed, int(must_change_pin), account_id),
            )
            self._audit.append(connection, by, action, detail=account_id)


def _account(row: tuple[object, ...]) -> Account:
    account_id, name, shown, roles, created, is_disabled, must_change, failures, last = row
    return Account(
        account_id=str(account_id),
        name=str(name),
        display_name=str(shown),
        roles=frozenset(Role(one) for one in json.loads(str(roles))),
        created=datetime.fromisoformat(str(created)),
        is_disabled=bool(is_disabled),
        must_change_pin=bool(must_change),
        failures=int(str(failures)),
        last_failure=None if last is None else datetime.fromisoformat(str(last)),
    )
