"""``derm-edge install | upgrade | rollback | factory-reset``: the program of this kiosk, as root; see docs/install.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.commands.screen import Screen
    from edge_agent.contracts.keys import TrustedKey
    from edge_agent.installation.installer import Installer
    from edge_agent.installation.layout import Layout

RESET_WORDS = "delete everything"
WORDS = {
    "unpacking": "unpacking the package",
    "filling": "installing into the free slot (some minutes)",
    "stopping": "stopping the service",
    "saving": "backing the store up",
    "switching": "switching to the new program",
    "proving": "checking the new program",
    "clearing": "tidying up",
    "stopping_back": "going back: stopping the service",
    "switching_back": "going back: switching to the program before",
    "restoring": "going back: restoring the store where the program before cannot read it",
    "starting_back": "starting the service",
    "resetting": "deleting the keys, then everything that was recorded",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the four commands and their arguments."""
    install = commands.add_parser("install", help="put a signed package on this computer, or finish what was begun")
    install.add_argument("package", type=Path, nargs="?", help="derm-edge-VERSION.tar, or its folder")
    install.add_argument("--profile", default="generic", help="device profile for a new configuration")
    install.add_argument("--resume", action="store_true", help="go on after a power cut or a mended failure")
    install.set_defaults(command=run_install)
    upgrade = commands.add_parser("upgrade", help="bring a newer package into use; goes back by itself if it fails")
    upgrade.add_argument("package", type=Path, help="derm-edge-VERSION.tar")
    upgrade.set_defaults(command=run_upgrade)
    rollback = commands.add_parser("rollback", help="go back to the program before this one")
    rollback.add_argument("--yes", action="store_true", help="also where records are lost by it")
    rollback.set_defaults(command=run_rollback)
    reset = commands.add_parser("factory-reset", help="delete every record and key of this kiosk, for good")
    reset.set_defaults(command=run_factory_reset)
    for one in (install, upgrade):
        one.add_argument("--allow-downgrade", action="store_true", help="also to an older version")
        one.add_argument("--keys", type=Path, metavar="DIR", help="public keys to believe (default: keys_dir)")
    for one in (install, upgrade, rollback, reset):
        one.add_argument("--root", type=Path, default=Path("/"), help="work below this folder; runs no systemctl")


def run_install(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Install, or resume.

    Raises:
        UpdateError: see ``Installer``.
        ConfigError: neither a package nor ``--resume`` was given, or not both rights.
    """
    if options.resume:
        return _resume(options, config, screen)
    if options.package is None:
        raise ConfigError("name the package: derm-edge install derm-edge-VERSION.tar")
    return _bring(options, config, screen, profile=options.profile)


def run_upgrade(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Bring a package into use in place of the present program.

    Raises:
        UpdateError: see ``Installer``.
    """
    return _bring(options, config, screen, profile=config.profile)


def run_rollback(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (one shape)
    """Go back; where records would be lost, say which and stop unless ``--yes`` was given.

    Raises:
        ConfigError: records would be lost.
        UpdateError: there is no way back.
    """
    from edge_agent.state_dir import StateLock

    layout, installer = _build(options, screen)
    with StateLock(layout.prefix, wait_s=0):
        if (lost := installer.losses()) and not options.yes:
            print(f"Going back would lose: {lost}")
            raise ConfigError("nothing was changed: save what is needed, then type derm-edge rollback --yes")
        print(f"derm-edge {installer.roll_back()} is in use again")
    return 0


def run_factory_reset(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001
    """Delete the state after the words were typed.

    Raises:
        ConfigError: the words were not typed; nothing was changed.
        UpdateError: something cannot be deleted.
    """
    from edge_agent.installation.reset import what_stays
    from edge_agent.state_dir import StateLock

    layout, installer = _build(options, screen)
    print(f"This deletes every case, picture, account and key in {layout.state}. Nobody can bring them back.")
    print("Records that the hub has not stored yet are lost: derm-edge status says how many wait.")
    print(f"Type “{RESET_WORDS}” to go on:")
    sys.stdout.flush()
    if sys.stdin.readline().strip() != RESET_WORDS:
        raise ConfigError("nothing was deleted: the words were not typed")
    with StateLock(layout.prefix, wait_s=0):
        installer.reset()
    print("Deleted. What stays:")
    for line in what_stays(layout):
        print(f"  {line}")
    return 0


def _bring(options: argparse.Namespace, config: Config, screen: Screen, *, profile: str) -> int:
    from edge_agent.installation.slots import Slots
    from edge_agent.state_dir import StateLock
    from edge_agent.store.durable import make_folder

    keys = _keys(options, config)
    layout, installer = _build(options, screen)
    make_folder(layout.prefix)
    with StateLock(layout.prefix, wait_s=0):
        if installer.resume(keys=keys):
            screen.note("an interrupted installation was finished first")
        verified = installer.bring(options.package, keys=keys, profile=profile, allow_downgrade=options.allow_downgrade)
    warning = ", which everybody has: it proves nothing" if verified.signed_by.is_development else ""
    print(f"derm-edge {verified.manifest.version} is in use (slot {Slots(layout).current()}),", end=" ")
    print(f"signed by the {verified.signed_by.name}{warning}")
    return 0


def _resume(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    from edge_agent.state_dir import StateLock

    layout, installer = _build(options, screen)
    if not layout.prefix.is_dir():
        print("nothing was under way")
        return 0
    with StateLock(layout.prefix, wait_s=0):
        print("finished" if installer.resume(keys=_keys(options, config)) else "nothing was under way")
    return 0


def _keys(options: argparse.Namespace, config: Config) -> Sequence[TrustedKey]:
    from edge_agent.contracts.keys import load_keys

    return load_keys(options.keys or config.keys_dir)


def _build(options: argparse.Namespace, screen: Screen) -> tuple[Layout, Installer]:
    """Build the installer for this computer, or for a folder that stands for one."""
    import os
    from datetime import UTC, datetime

    from edge_agent.installation.installer import Installer
    from edge_agent.installation.layout import Layout
    from edge_agent.installation.program import SERVICE_USER, SlotProgram
    from edge_agent.installation.system import Systemd, UntouchedSystem

    layout = Layout(options.root.absolute())
    is_here = layout.root == Path("/")
    if is_here and os.geteuid() != 0:
        raise ConfigError("only root can change the program of this kiosk: type sudo before the command")
    installer = Installer(
        layout,
        program=SlotProgram(layout.config, user=SERVICE_USER if is_here else None),
        system=Systemd() if is_here else UntouchedSystem(),
        clock=lambda: datetime.now(UTC),
        note=lambda line: screen.note(WORDS.get(line, line)),
    )
    return layout, installer
