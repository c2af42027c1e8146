"""SIGKILL before every single change that an installation makes on the disk: the next command leaves a whole kiosk.

The killed process is a fork: an audit hook counts renames, links, deletions, new folders and files opened for writing
below the kiosk's root, and the process is gone at the chosen one (docs.python.org/3/library/audit_events.html).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge_agent.errors import ActivationError
from edge_agent.installation.layout import Layout
from tests.simulators.slot_program import KEYS, Kiosk
from tests.simulators.tiny_package import program_package

pytestmark = pytest.mark.long

_PATHS = {"os.rename": 1, "os.symlink": 1, "os.link": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "os.chmod": 0}
Work = Callable[[Kiosk], object]


def killed_at(number: int, kiosk: Kiosk, work: Work) -> bool:
    """Do the work in a fork that dies before its change of this number; return whether it came that far."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event == "open":
                if not isinstance(arguments[2], int) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                    return
                path = arguments[0]
            elif event in _PATHS:
                path = arguments[_PATHS[event]]
            else:
                return
            is_inside = str(path).startswith(str(kiosk.layout.root)) or not str(path).startswith("/")  # rmtree: names
            left -= is_inside
            if is_inside and left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.addaudithook(count)
            work(kiosk)
            code = 0
        except ActivationError:
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def resumed(kiosk: Kiosk) -> None:
    """Do what the next command does: finish what was begun."""
    with suppress(ActivationError):  # an installation that had failed before the kill says so at its end
        kiosk.installer().resume(keys=KEYS)


@pytest.fixture
def packages(tmp_path: Path) -> dict[str, Path]:
    """An old program, a newer one with a newer store, and one that does not work."""
    return {
        "old": program_package(tmp_path, version="1.0"),
        "new": program_package(tmp_path, version="1.1", schema=3),
        "bad": program_package(tmp_path, version="1.2", schema=4, works=False),
    }


def prepared(place: Path, packages: dict[str, Path], *, upgraded: bool) -> Kiosk:
    """A kiosk with program 1.0 and one case, or one that went on to 1.1 and took a second one."""
    (place / "root").mkdir(parents=True)
    kiosk = Kiosk(Layout(place / "root"))
    kiosk.installer().bring(packages["old"], keys=KEYS)
    kiosk.program.take_case("first")
    if upgraded:
        kiosk.installer().bring(packages["new"], keys=KEYS)
        kiosk.program.take_case("second")
    return kiosk


def at_every_change(tmp_path: Path, template: Kiosk, work: Work, check: Callable[[Kiosk], None]) -> None:
    """Kill before the first change, the second one, and so on until the work survives; check each time."""
    number, kills = 0, 0
    while True:
        number += 1
        root = tmp_path / "kill" / "root"
        shutil.copytree(template.layout.root, root, symlinks=True)
        kiosk = Kiosk(Layout(root))
        was_killed = killed_at(number, kiosk, work)
        kills += was_killed
        resumed(kiosk)
        check(kiosk)
        shutil.rmtree(root.parent)
        if not was_killed:
            break
    assert kills > 20, "the hook saw too little: the test shows nothing"


@pytest.mark.parametrize(("package", "ends_in"), [("new", {"1.0", "1.1"}), ("bad", {"1.0"})])
def test_an_upgrade_that_is_cut_off(tmp_path: Path, packages: dict[str, Path], package: str, ends_in: set[str]) -> None:
    """One program or the other is in use with a store that it reads; a program that does not work never stays."""
    seen = set()

    def check(kiosk: Kiosk) -> None:
        kiosk.check_whole()
        assert kiosk.version() in ends_in
        assert kiosk.program.store()["cases"] == ["first"]
        seen.add(kiosk.version())

    template = prepared(tmp_path / "template", packages, upgraded=False)
    at_every_change(tmp_path, template, lambda kiosk: kiosk.installer().bring(packages[package], keys=KEYS), check)
    assert seen == ends_in


def test_a_rollback_that_is_cut_off(tmp_path: Path, packages: dict[str, Path]) -> None:
    """Before its first line in the journal nothing has happened; after it the older program and its store are back."""

    def check(kiosk: Kiosk) -> None:
        kiosk.check_whole()
        assert (kiosk.version(), kiosk.program.store()) in [
            ("1.1", {"schema": 3, "cases": ["first", "second"]}),
            ("1.0", {"schema": 2, "cases": ["first"]}),
        ]

    template = prepared(tmp_path / "template", packages, upgraded=True)
    at_every_change(tmp_path, template, lambda kiosk: kiosk.installer().roll_back(), check)


def test_a_first_installation_that_is_cut_off(tmp_path: Path, packages: dict[str, Path]) -> None:
    """The computer is as it was, or has the program; the same package then always installs."""

    def check(kiosk: Kiosk) -> None:
        assert kiosk.version() in {None, "1.0"}
        kiosk.installer().bring(packages["old"], keys=KEYS)
        kiosk.check_whole()

    (tmp_path / "template" / "root").mkdir(parents=True)
    template = Kiosk(Layout(tmp_path / "template" / "root"))
    at_every_change(tmp_path, template, lambda kiosk: kiosk.installer().bring(packages["old"], keys=KEYS), check)


def test_a_reset_that_is_cut_off(tmp_path: Path, packages: dict[str, Path]) -> None:
    """Once it has begun, the next command ends it: nothing recorded is left."""

    def prepare() -> Kiosk:
        kiosk = prepared(tmp_path / "template", packages, upgraded=False)
        for number in range(30):
            (kiosk.layout.state / f"picture-{number}").write_text("noise")
        return kiosk

    def settled(kiosk: Kiosk) -> None:
        names = {path.name for path in kiosk.layout.state.iterdir() if not path.name.startswith("picture-")}
        pictures = [path for path in kiosk.layout.state.iterdir() if path.name.startswith("picture-")]
        assert (names, len(pictures)) in ((set(), 0), ({"store.key", "store.db"}, 30))

    at_every_change(tmp_path, prepare(), lambda kiosk: kiosk.installer().reset(), settled)
