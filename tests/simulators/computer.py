"""A computer without Debian packages, Python or network, for the scripts that set one up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "dirname", "sha256sum", "cut", "cat", "env", "sed", "sort", "paste", "rm")


class Computer:
    """A computer as a script sees it: a copy of the scripts and a PATH with chosen, recorded programs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.bin = folder / "bin"
        self.record = folder / "record"
        (self.root / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        self.record.touch()
        for script in ("setup", "demo", "test"):
            shutil.copy(ROOT / "scripts" / script, self.root / "scripts" / script)
        (self.root / "pyproject.toml").write_text("[project]\n")
        (self.root / "constraints.txt").write_text("pip==1\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or "")

    def add(self, name: str, body: str) -> None:
        """Put a program on the PATH that records its call and then runs ``body``."""
        program = self.bin / name
        program.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >>"{self.record}"\n{body}\n')
        program.chmod(0o755)

    def add_python(self, name: str = "python3.11", *, before: str = "") -> None:
        """Put a Python on the PATH whose virtual environments hold a python that records every pip call.

        Args:
            name: its name, or the path of one that is not on the PATH.
            before: shell lines that it runs first.
        """
        inner = f'#!{shutil.which("bash")}\\necho "venv-python $*" >>"{self.record}"\\n'
        self.add(
            name,
            f'{before}if [ "$1 $2" = "-m venv" ]; then for venv; do :; done; '
            f'case "$*" in *--clear*) {shutil.which("rm")} -rf "$venv" ;; esac; {shutil.which("mkdir")} -p "$venv/bin"; '
            f'printf \'{inner}\' >"$venv/bin/python"; {shutil.which("chmod")} +x "$venv/bin/python"; fi',
        )

    def setup(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/setup on this computer."""
        return self.run("setup", *words, environment=environment)

    def run(
        self, script: str, *words: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of this computer, from ``folder``."""
        return subprocess.run(
            [str(self.root / "scripts" / script), *words],
            env={"PATH": str(self.bin), **(environment or {})},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, name: str) -> list[str]:
        """Return the recorded calls of one program."""
        return [line for line in self.record.read_text().splitlines() if line.startswith(f"{name} ")]

    @property
    def installs(self) -> list[str]:
        """The recorded calls of pip that install something."""
        return [call for call in self.calls("venv-python") if " -m pip install " in call]

    @property
    def venvs(self) -> list[str]:
        """The recorded calls that made a virtual environment."""
        return [call for call in self.calls("python3.11") if " -m venv " in call]
