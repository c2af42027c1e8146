"""``scripts/setup``: what it installs, when, and what it says when it may not. No real package manager is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.history_size import binary_sizes
from tests.simulators.computer import Computer

ROOT = Path(__file__).resolve().parents[2]
MISSING = "nosuchcommand=nosuchpackage"
NO_ENSUREPIP = 'case "$*" in *ensurepip*) exit 1 ;; esac\n'  # Debian without the package python3-venv


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
    assert computer.calls("sudo")[-1].endswith("apt-get install -y --no-install-recommends nosuchpackage")


@pytest.mark.parametrize("sudo", ["exit 1", None])
def test_without_rights_the_command_is_printed(computer: Computer, sudo: str | None) -> None:
    """Without root and sudo: one line with the exact command, exit code 69, nothing installed."""
    computer.add("id", "echo 1000")
    if sudo is not None:
        computer.add("sudo", sudo)
    done = computer.setup("--need", MISSING, "fleet")
    assert done.returncode == 69
    command = "sudo apt-get update && sudo apt-get install -y nosuchpackage"
    assert done.stderr == f"Missing from Debian: nosuchpackage; type: {command}\n"
    assert computer.calls("venv-python") == []


@pytest.mark.parametrize("user", [0, 1000])
def test_where_apt_fails_the_command_is_printed(computer: Computer, user: int) -> None:
    """With rights that do not help (no network, no such package) the last line and the exit code are the same."""
    computer.add("id", f"echo {user}")
    computer.add("sudo", '[ "$2" = true ]')
    computer.add("apt-get", "exit 100")
    done = computer.setup("--need", MISSING, "fleet")
    assert done.returncode == 69
    prefix = "sudo " if user else ""
    command = f"{prefix}apt-get update && {prefix}apt-get install -y nosuchpackage"
    assert done.stderr.splitlines()[-1] == f"Missing from Debian: nosuchpackage; type: {command}"
    assert computer.calls("venv-python") == []


@pytest.mark.parametrize("user", [0, 1000])
def test_all_missing_packages_come_at_once(tmp_path: Path, user: int) -> None:
    """A fresh Debian lacks programs and python3-venv: one call of apt, or one line to type, names them all."""
    computer = Computer(tmp_path)
    computer.add_python(before=NO_ENSUREPIP)
    computer.add("id", f"echo {user}")
    computer.add("apt-get", "")
    done = computer.setup("--need", MISSING, "--need", "other=otherpackage", "fleet")
    every = "nosuchpackage otherpackage python3-venv"
    if user:
        assert done.returncode == 69
        assert done.stderr.splitlines() == [
            f"Missing from Debian: {every}; type: sudo apt-get update && sudo apt-get install -y {every}"
        ]
    else:
        assert done.returncode == 0, done.stderr
        assert computer.calls("apt-get") == [f"apt-get install -y --no-install-recommends {every}"]
        assert len(computer.installs) == 1


def test_packages_never_ask(computer: Computer) -> None:
    """A package that would stop for a question (the time zone) is told not to."""
    computer.add("id", "echo 0")
    computer.add("apt-get", '[ "$DEBIAN_FRONTEND" = noninteractive ]')
    assert computer.setup("--need", MISSING).returncode == 0


@pytest.mark.parametrize("is_there", [True, False])
def test_a_program_off_the_path_is_found_by_a_pattern(computer: Computer, tmp_path: Path, is_there: bool) -> None:
    """PostgreSQL's programs stand in a folder with a version in its name, on nobody's PATH."""
    computer.add("id", "echo 1000")
    program = tmp_path / "lib" / "15" / "bin" / "initdb"
    program.parent.mkdir(parents=True)
    if is_there:
        program.touch()
    done = computer.setup("--need", f"{tmp_path}/lib/*/bin/initdb=postgresql")
    assert (done.returncode, "postgresql" in done.stderr) == ((0, False) if is_there else (69, True))


def test_the_tests_ask_for_the_real_broker_and_database(computer: Computer) -> None:
    """``scripts/test`` makes sure that no test is skipped for want of mosquitto or PostgreSQL."""
    computer.add("recorder", "exit 7")
    shutil.copy(computer.bin / "recorder", computer.root / "scripts" / "setup")
    assert computer.run("test").returncode == 7
    [asked] = computer.calls("recorder")
    assert "--need mosquitto=mosquitto" in asked
    assert "--need /usr/lib/postgresql/*/bin/initdb=postgresql" in asked


def test_a_present_command_needs_nobody(computer: Computer) -> None:
    """A command that is there is neither installed nor mentioned."""
    computer.add("id", "echo 1000")
    done = computer.setup("--need", "cut=coreutils")
    assert done.returncode == 0
    assert "coreutils" not in done.stderr


def test_the_second_time_installs_nothing(computer: Computer) -> None:
    """The stamp says what is there; a second run, or one with fewer extras, does nothing."""
    assert computer.setup("fleet", "test").returncode == 0
    [install] = computer.installs
    assert install.endswith(f"--editable {computer.root}[fleet,test]")
    assert f"--constraint {computer.root}/constraints.txt" in install
    assert computer.setup("fleet").returncode == 0
    assert computer.setup().returncode == 0
    assert computer.installs == [install]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_version_file_installs_again(computer: Computer, name: str) -> None:
    """Whoever pulls new pins gets them at the next run, with the extras that were there."""
    computer.setup("fleet")
    (computer.root / name).write_text("# changed\n")
    computer.setup("test")
    assert len(computer.installs) == 2
    assert computer.installs[1].endswith("[fleet,test]")


def test_an_interrupted_install_is_not_taken_for_done(computer: Computer) -> None:
    """pip's failure leaves no stamp."""
    computer.setup()
    python = computer.root / ".venv" / "bin" / "python"
    good = python.read_text()
    python.write_text(f'{good}[ "$3" != install ]\n')
    assert computer.setup("fleet").returncode != 0
    python.write_text(good)
    assert computer.setup("fleet").returncode == 0
    assert len([call for call in computer.installs if call.endswith("[fleet]")]) == 2
    assert len(computer.venvs) == 1


def test_a_virtual_environment_without_pip_is_made_again(computer: Computer) -> None:
    """Ctrl-C while it was created leaves a python and no pip; the next run mends that."""
    python = computer.root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!{shutil.which("bash")}\necho "No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    done = computer.setup("fleet")
    assert done.returncode == 0, done.stderr
    assert computer.venvs == [f"python3.11 -m venv --clear {computer.root}/.venv"]
    assert len(computer.installs) == 1


def test_a_virtual_environment_without_python_is_made_again(computer: Computer) -> None:
    """Where the Python that it was made from is gone, the stamp does not hide it, and the extras come back."""
    computer.setup("fleet")
    (computer.root / ".venv" / "bin" / "python").unlink()
    assert computer.setup().returncode == 0
    assert len(computer.venvs) == 2
    assert [call.endswith("[fleet]") for call in computer.installs] == [True, True]


def test_a_renamed_project_gets_a_new_virtual_environment(computer: Computer) -> None:
    """The console scripts name the old folder in their first line: all of them are made anew, with the same extras."""
    computer.setup("fleet", "test")
    computer.root = computer.root.rename(computer.root.with_name("renamed"))
    assert computer.setup("fleet").returncode == 0
    assert computer.venvs[1:] == [f"python3.11 -m venv --clear {computer.root}/.venv"]
    assert computer.installs[1].endswith(f"--editable {computer.root}[fleet,test]")
    assert computer.setup("fleet", "test").returncode == 0
    assert len(computer.installs) == 2


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
    [install] = computer.installs
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


def test_a_python_with_a_blank_in_its_path_is_used(computer: Computer) -> None:
    """``PYTHON`` is one path, not a list of words, and comes before every Python of the PATH."""
    (computer.bin / "my programs").mkdir()
    computer.add_python("my programs/python")
    done = computer.setup(PYTHON=str(computer.bin / "my programs" / "python"))
    assert done.returncode == 0, done.stderr
    assert len([call for call in computer.calls("my programs/python") if " -m venv " in call]) == 1
    assert computer.calls("python3.11") == []


@pytest.mark.parametrize("body", ["exit 1", None])
def test_an_unsuitable_python_is_refused(computer: Computer, body: str | None) -> None:
    """Whoever names a Python that is too old or not there is told so; no other one is taken instead."""
    if body is not None:
        computer.add("python2", body)
    done = computer.setup(PYTHON="python2")
    assert done.returncode == 69
    assert done.stderr == (
        "PYTHON is set to python2, which is not Python 3.11 or 3.12; name another one, or unset it\n"
    )
    assert computer.calls("python3.11") == []


def test_the_demo_runs_in_the_callers_folder(computer: Computer, tmp_path: Path) -> None:
    """``--bundle DIR`` means a folder beside the caller, not beside the project; the caller's files are not imported."""
    computer.add("mosquitto", "")
    assert computer.setup("fleet").returncode == 0
    python = computer.root / ".venv" / "bin" / "python"
    python.write_text(f'{python.read_text()}echo "at $PWD $PYTHONPATH" >>"{computer.record}"\n')
    done = computer.run("demo", "--bundle", "mine", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert computer.calls("venv-python")[-1] == "venv-python -P -m scripts.demo_main --bundle mine"
    assert computer.calls("at")[-1] == f"at {tmp_path} {computer.root}"


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
