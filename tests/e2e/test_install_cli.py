"""``derm-edge install``, ``upgrade``, ``rollback``, ``factory-reset`` with real environments, pip and a wheel of one page."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from edge_agent.cli import run
from tests.simulators.tiny_package import wheel_package

pytestmark = pytest.mark.long


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that stands for a computer."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def derm_edge(root: Path, *words: str) -> int:
    """Type a command."""
    return run([*words, "--root", str(root)])


def take_case(root: Path, name: str) -> None:
    """Record a case, as the daemon would."""
    store = root / "var/lib/derm-edge/store.db"
    held = json.loads(store.read_text())
    store.write_text(json.dumps({**held, "cases": [*held["cases"], name]}))


def cases(root: Path) -> list[str]:
    """Return what is recorded."""
    held: dict[str, list[str]] = json.loads((root / "var/lib/derm-edge/store.db").read_text())
    return held["cases"]


def version(root: Path) -> str:
    """Ask the program in use."""
    command = [str(root / "usr/bin/derm-edge"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={})
    return done.stdout.split()[1]


def test_a_program_s_whole_life(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed, upgraded over a migration, an upgrade that fails, rolled back with a loss that is said first, reset."""
    assert derm_edge(root, "install", str(wheel_package(tmp_path, version="1.0"))) == 0
    assert "signed by the development key, which everybody has" in capsys.readouterr().out
    take_case(root, "first")
    assert derm_edge(root, "upgrade", str(wheel_package(tmp_path, version="1.1", schema=3))) == 0
    assert (version(root), cases(root)) == ("1.1", ["first"])
    take_case(root, "second")

    bad = wheel_package(tmp_path, version="1.2", schema=4, works=False)
    assert derm_edge(root, "upgrade", str(bad)) == 79
    assert "it is broken (1.1 is in use)" in capsys.readouterr().err
    assert (version(root), cases(root)) == ("1.1", ["first", "second"])

    assert derm_edge(root, "rollback") == 78
    assert "no program before" in capsys.readouterr().err  # its slot was filled with the one that failed
    assert derm_edge(root, "upgrade", str(wheel_package(tmp_path, version="1.3", schema=5))) == 0
    take_case(root, "third")
    assert derm_edge(root, "rollback") == 10
    said = capsys.readouterr()
    assert "Going back would lose" in said.out
    assert "--yes" in said.err
    assert version(root) == "1.3"
    assert derm_edge(root, "rollback", "--yes") == 0
    assert (version(root), cases(root)) == ("1.1", ["first", "second"])

    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert derm_edge(root, "factory-reset") == 10
    assert cases(root) == ["first", "second"]
    monkeypatch.setattr("sys.stdin", io.StringIO("delete everything\n"))
    assert derm_edge(root, "factory-reset") == 0
    assert list((root / "var/lib/derm-edge").iterdir()) == []


def test_a_wheel_that_pip_refuses_changes_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list of wheels asks for one that is not there: the program in use goes on."""
    from scripts.packaging.tar import write_package
    from tests.simulators.tiny_package import DEVELOPMENT_KEY

    assert derm_edge(root, "install", str(wheel_package(tmp_path, version="1.0"))) == 0
    work = tmp_path / "work-1.0"
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(f"absent==1.0 --hash=sha256:{'0' * 64}\n")
    files = {f"wheels/{path.name}": path for path in (work / "wheels").iterdir()} | {"requirements.txt": wrong}
    write_package(tmp_path / "bad.tar", version="1.1", files=files, private_key=DEVELOPMENT_KEY)
    assert derm_edge(root, "upgrade", str(tmp_path / "bad.tar")) == 79
    assert "could not be put into its slot" in capsys.readouterr().err
    assert version(root) == "1.0"


def test_only_root_changes_this_computer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--root`` and without the rights: one line, nothing done."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert run(["rollback"]) == 10
    assert "sudo" in capsys.readouterr().err


def test_nothing_to_resume(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``install --resume`` on a computer without the program."""
    assert derm_edge(root, "install", "--resume") == 0
    assert "nothing was under way" in capsys.readouterr().out
