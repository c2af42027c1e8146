"""Rules of named local accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import AccountError
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Accounts, Role, sign_in_name
from edge_agent.store.audit import Action
from tests.simulators.kiosk_parts import PIN, kiosk_parts


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with kiosk_parts(tmp_path) as made:
        yield made


@pytest.fixture
def accounts(parts: KioskParts) -> Accounts:
    return parts.accounts


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("Nurse Li", "nurse.li"),
        ("  王  医师 ", "王.医师"),
        ("Dr. Amina Haddad", "dr.amina.haddad"),
        ("ÉLODIE", "élodie"),
    ],
)
def test_a_name_is_kept_as_people_write_it_and_once_for_the_trail(shown: str, name: str) -> None:
    """The name in the trail is lower case, without spaces, in any script."""
    assert sign_in_name(shown) == name


def test_a_pin_is_stored_as_argon2id_only(accounts: Accounts, parts: KioskParts) -> None:
    """The digits stand nowhere; the hash names argon2id."""
    accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="x")
    [(stored,)] = parts.database.rows("SELECT pin_hash FROM accounts")
    assert stored.startswith("$argon2id$")
    assert PIN not in str(parts.database.rows("SELECT * FROM accounts"))


@pytest.mark.parametrize("again", ["Nurse Li", "nurse li", "NURSE  LI"])
def test_a_name_is_given_once_even_after_it_was_disabled(accounts: Accounts, again: str) -> None:
    """The trail speaks of a name for ever, so it never means somebody else."""
    accounts.add("Zhang", roles={Role.MAINTAINER}, pin=PIN, by="x")
    first = accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="x")
    accounts.set_disabled(first.account_id, is_disabled=True, by="x")
    with pytest.raises(AccountError) as caught:
        accounts.add(again, roles={Role.WORKER}, pin=PIN, by="x")
    assert caught.value.details["reason"] == "name_taken"


@pytest.mark.parametrize("name", ["", "   ", "...", "x" * 41])
def test_a_name_has_letters(accounts: Accounts, name: str) -> None:
    """A name that nobody can read in the trail is refused."""
    with pytest.raises(AccountError):
        accounts.add(name, roles={Role.WORKER}, pin=PIN, by="x")


def test_an_account_without_a_role_is_refused(accounts: Accounts) -> None:
    """Whoever may do nothing has no account."""
    with pytest.raises(AccountError):
        accounts.add("Nurse Li", roles=set(), pin=PIN, by="x")


def test_the_last_maintainer_stays(accounts: Accounts) -> None:
    """Somebody must be able to add and unlock accounts; with a second maintainer the first may go."""
    first = accounts.add("Zhang", roles={Role.MAINTAINER}, pin=PIN, by="x")
    with pytest.raises(AccountError):
        accounts.set_disabled(first.account_id, is_disabled=True, by="x")
    accounts.add("Wei", roles={Role.MAINTAINER}, pin=PIN, by="x")
    accounts.set_disabled(first.account_id, is_disabled=True, by="x")
    assert [one.name for one in accounts.usable()] == ["wei"]


def test_every_change_is_in_the_trail_with_its_author(accounts: Accounts, parts: KioskParts) -> None:
    """Adding, disabling and a new PIN name who did it."""
    accounts.add("Zhang", roles={Role.MAINTAINER}, pin=PIN, by="(command line)")
    one = accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="zhang")
    accounts.reset_pin(one.account_id, pin="518293", by="zhang")
    accounts.set_disabled(one.account_id, is_disabled=True, by="zhang")
    noted = [(row.who, row.action) for row in reversed(parts.audit.newest())]
    assert noted == [
        ("(command line)", Action.ACCOUNT_ADDED),
        ("zhang", Action.ACCOUNT_ADDED),
        ("zhang", Action.PIN_RESET),
        ("zhang", Action.ACCOUNT_DISABLED),
    ]


def test_an_own_pin_differs_from_the_one_before(accounts: Accounts) -> None:
    """A PIN that somebody else knows is not kept by choosing it again."""
    one = accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="x", must_change_pin=True)
    with pytest.raises(AccountError):
        accounts.change_pin(one.account_id, old=PIN, new=PIN)
    accounts.change_pin(one.account_id, old=PIN, new="518293")
    assert not accounts.check_pin(one.account_id, "518293").must_change_pin


def test_a_right_pin_forgives_the_wrong_ones_before(accounts: Accounts) -> None:
    """Slips do not add up over days."""
    one = accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="x")
    for _ in range(2):
        with pytest.raises(AccountError):
            accounts.check_pin(one.account_id, "907364")
    accounts.check_pin(one.account_id, PIN)
    assert accounts.get(one.account_id).failures == 0
