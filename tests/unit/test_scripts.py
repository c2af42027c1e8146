"""``scripts/setup``: what it installs, when, and what it says when it may not. No real package manager is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.history_size import binary_sizes

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "dirname", "sha256sum", "cut", "cat", "sed", "sort", "paste", "rm")
MISSING = "nosuchcommand=nosuchpackage"


class Computer:
    """A computer as a script sees it: a copy of the scripts and a PATH with chosen, recorded programs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.bin = folder / "bin"
        self.record = folder / "record"
        (self.root / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        self.record.touch()
        shutil.copy(ROOT / "scripts" / "setup", self.root / "scripts" / "setup")
        (self.root / "pyproject.toml").write_text("[project]\n")
        (self.root / "constraints.txt").write_text("pip==1\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or "")

    def add(self, name: str, body: str) -> None:
        """Put a program on the PATH that records its call and then runs ``body``."""
        program = self.bin / name
        program.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >>"{self.record}"\n{body}\n')
        program.chmod(0o755)

    def add_python(self) -> None:
        """Put a python3.11 on the PATH whose virtual environments hold a python that records every pip call."""
        inner = f'#!{shutil.which("bash")}\\necho "venv-python $*" >>"{self.record}"\\n'
        self.add(
            "python3.11",
            f'if [ "$1 $2" = "-m venv" ]; then {shutil.which("mkdir")} -p "$3/bin"; '
            f'printf \'{inner}\' >"$3/bin/python"; {shutil.which("chmod")} +x "$3/bin/python"; fi',
        )

    def setup(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/setup on this computer."""
        return subprocess.run(
            [str(self.root / "scripts" / "setup"), *words],
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, name: str) -> list[str]:
        """Return the recorded calls of one program."""
        return [line for line in self.record.read_text().splitlines() if line.startswith(f"{name} ")]


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A computer with Python and without the wanted Debian package."""
    machine = Computer(tmp_path)
    machine.add_python()
    return machine


def test_root_installs_a_missing_package(computer: Computer) -> None:
    """As root apt-get is called with the package, and nothing asks."""
    computer.add("id", "echo 0")
    computer.add("apt-get", "")
    done = computer.setup("--need", MISSING)
    assert done.returncode == 0, done.stderr
    assert computer.calls("apt-get") == ["apt-get install -y --no-install-recommends nosuchpackage"]


def test_stale_package_lists_are_refreshed_once(computer: Computer) -> None:
    """Where the first install fails, the lists are updated and it is tried again."""
    computer.add("id", "echo 0")
    computer.add(
        "apt-get",
        f'[ "$1" = update ] || [ "$({shutil.which("grep")} -c "apt-get install" "{computer.record}")" -gt 1 ]',
    )
    assert computer.setup("--need", MISSING).returncode == 0
    assert [call.split()[1] for call in computer.calls("apt-get")] == ["install", "update", "install"]


def test_sudo_without_a_password_installs(computer: Computer) -> None:
    """An ordinary user with sudo needs to type nothing."""
    computer.add("id", "echo 1000")
    computer.add("sudo", "")
    assert computer.setup("--need", MISSING).returncode == 0
    assert "sudo -n apt-get install -y --no-install-recommends nosuchpackage" in computer.calls("sudo")


@pytest.mark.parametrize("sudo", ["exit 1", None])
def test_without_rights_the_command_is_printed(computer: Computer, sudo: str | None) -> None:
    """Without root and sudo: one line with the exact command, exit code 69, nothing installed."""
    computer.add("id", "echo 1000")
    if sudo is not None:
        computer.add("sudo", sudo)
    done = computer.setup("--need", MISSING, "fleet")
    assert done.returncode == 69
    assert done.stderr == "The Debian package nosuchpackage is missing; type: sudo apt-get install -y nosuchpackage\n"
    assert computer.calls("venv-python") == []


def test_a_present_command_needs_nobody(computer: Computer) -> None:
    """A command that is there is neither installed nor mentioned."""
    computer.add("id", "echo 1000")
    done = computer.setup("--need", "cut=coreutils")
    assert done.returncode == 0
    assert "coreutils" not in done.stderr


def test_the_second_time_installs_nothing(computer: Computer) -> None:
    """The stamp says what is there; a second run, or one with fewer extras, does nothing."""
    assert computer.setup("fleet", "test").returncode == 0
    installs = [call for call in computer.calls("venv-python") if "install" in call]
    assert len(installs) == 1
    assert installs[0].endswith(f"--editable {computer.root}[fleet,test]")
    assert f"--constraint {computer.root}/constraints.txt" in installs[0]
    assert computer.setup("fleet").returncode == 0
    assert computer.setup().returncode == 0
    assert [call for call in computer.calls("venv-python") if "install" in call] == installs


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_version_file_installs_again(computer: Computer, name: str) -> None:
    """Whoever pulls new pins gets them at the next run, with the extras that were there."""
    computer.setup("fleet")
    (computer.root / name).write_text("# changed\n")
    computer.setup("test")
    installs = [call for call in computer.calls("venv-python") if "install" in call]
    assert len(installs) == 2
    assert installs[1].endswith("[fleet,test]")


def test_an_interrupted_install_is_not_taken_for_done(computer: Computer) -> None:
    """pip's failure leaves no stamp."""
    computer.setup()
    python = computer.root / ".venv" / "bin" / "python"
    good = python.read_text()
    python.write_text(good + "exit 1\n")
    assert computer.setup("fleet").returncode != 0
    python.write_text(good)
    assert computer.setup("fleet").returncode == 0
    assert len([call for call in computer.calls("venv-python") if call.endswith("[fleet]")]) == 2


@pytest.mark.parametrize(
    ("extra", "environment", "is_asked"),
    [
        ("calibration", {"DERM_TORCH_INDEX": "https://index.example/cpu"}, True),
        ("calibration", {"DERM_TORCH_INDEX": ""}, False),
        ("calibration", {}, False),
        ("fleet", {"DERM_TORCH_INDEX": "https://index.example/cpu"}, False),
    ],
)
def test_an_index_for_torch_is_asked_only_where_it_is_named(
    computer: Computer, extra: str, environment: dict[str, str], is_asked: bool
) -> None:
    """The CPU build's index is the user's to name; without it pip's own configuration decides."""
    assert computer.setup(extra, **environment).returncode == 0
    [install] = [call for call in computer.calls("venv-python") if " install " in call]
    assert ("--extra-index-url https://index.example/cpu" in install) is is_asked
    assert ("-index-" in install) is is_asked


def test_setup_names_no_address() -> None:
    """Where packages come from is decided by whoever installs, not by a file of this project."""
    assert "://" not in (ROOT / "scripts" / "setup").read_text()


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    """Without Python 3.11 or 3.12 one line says so."""
    done = Computer(tmp_path).setup()
    assert done.returncode == 69
    assert "Python 3.11 or 3.12 is needed" in done.stderr


def test_binaries_of_the_whole_history_are_counted(tmp_path: Path) -> None:
    """A binary that was removed again still counts; text does not."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for key in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        environment[key] = "test@example.org"

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True, env=environment)

    git("init", "--quiet")
    (tmp_path / "text.md").write_text("words\n" * 1000)
    (tmp_path / "weights.bin").write_bytes(bytes(5000))
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    (tmp_path / "weights.bin").unlink()
    git("commit", "--quiet", "-a", "-m", "two")
    assert list(binary_sizes(tmp_path)) == [(5000, "weights.bin")]
