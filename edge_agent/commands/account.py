"""``derm-edge account``: who may use the kiosk, from the command line: the first account, and the way back in."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import AccountError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen
    from edge_agent.store.accounts import Account, Accounts

ROLES = ("worker", "clinician", "prescriber", "tcm_practitioner", "maintainer")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its four verbs."""
    parser = commands.add_parser("account", help="add, list or disable accounts of the kiosk, or give a new PIN")
    verbs = parser.add_subparsers(title="verbs", required=True, dest="verb", metavar="VERB")
    add = verbs.add_parser("add", help="add an account")
    add.add_argument("name", help="as colleagues know the person")
    add.add_argument("--role", action="append", choices=ROLES, required=True, help="may stand several times")
    listing = verbs.add_parser("list", help="list every account")
    listing.add_argument("--json", action="store_true", help="print as JSON")
    for verb, words in (
        ("disable", "switch an account off"),
        ("enable", "switch it on again"),
        ("reset-pin", "give it a new PIN; unlocks it"),
    ):
        verbs.add_parser(verb, help=words).add_argument("name")
    for verb in ("add", "reset-pin"):
        verbs.choices[verb].add_argument(
            "--pin-stdin", action="store_true", help="read the PIN as one line from standard input"
        )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Do what the verb says; every change is in the audit trail as "(command line)".

    Raises:
        AccountError: the name, role or PIN cannot be taken, or there is no such account.
        StoreError: the store cannot be opened.
    """
    from edge_agent.kiosk_bootstrap import open_registry

    with open_registry(config) as registry:
        if options.verb == "list":
            _list(registry.accounts, is_json=options.json)
        else:
            screen.note(_change(options, registry.accounts))
    return 0


def _change(options: argparse.Namespace, accounts: Accounts) -> str:
    from edge_agent.store.accounts import COMMAND_LINE, Role

    if options.verb == "add":
        roles = {Role(one) for one in options.role}
        pin = _new_pin(is_piped=options.pin_stdin)
        made = accounts.add(options.name, roles=roles, pin=pin, by=COMMAND_LINE, must_change_pin=True)
        return f"added {made.name}; at the first sign-in the person chooses an own PIN"
    account = accounts.named(options.name)
    if options.verb == "reset-pin":
        accounts.reset_pin(account.account_id, pin=_new_pin(is_piped=options.pin_stdin), by=COMMAND_LINE)
        return f"{account.name} has a new PIN; at the next sign-in the person chooses an own one"
    is_disabled = options.verb == "disable"
    accounts.set_disabled(account.account_id, is_disabled=is_disabled, by=COMMAND_LINE)
    return f"{account.name} is switched {'off' if is_disabled else 'on'}"


def _new_pin(*, is_piped: bool) -> str:
    if is_piped:
        return sys.stdin.readline().strip()
    pin = getpass.getpass("new PIN: ")
    if getpass.getpass("the same PIN again: ") != pin:
        raise AccountError("the two PINs differ; run the command again")
    return pin


def _list(accounts: Accounts, *, is_json: bool) -> None:
    rows = accounts.all()
    if is_json:
        json.dump([_row(one) for one in rows], sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
        return
    for one in rows:
        print(f"{one.name:24} {_state(one):10} {', '.join(sorted(one.roles))}")
    if not rows:
        print("no accounts yet: derm-edge account add NAME --role maintainer")


def _row(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "display_name": account.display_name,
        "roles": sorted(account.roles),
        "state": _state(account),
        "created": account.created.isoformat(),
    }


def _state(account: Account) -> str:
    if account.is_disabled:
        return "disabled"
    return "locked" if account.is_locked else "active"
