"""A real PostgreSQL server in a private folder, on a free loopback port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.simulators.broker import free_port


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's server programs (Debian keeps them off the PATH), or None."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


class Postgres:
    """Start a server for the time of a ``with`` block; it refuses root, so root runs it as another user."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="derm-pg-"))
        self._user = pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its only database."""
        return f"postgresql+psycopg://derm@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        programs = find_postgres()
        if programs is None:
            raise FileNotFoundError("PostgreSQL is missing; run: apt-get install postgresql")
        if self._user:
            shutil.chown(self._folder, self._user)
        data = self._folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "derm", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True, user=self._user, cwd=self._folder,
        )  # fmt: skip
        options = ["-D", str(data), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder)]
        self._server = subprocess.Popen(
            [programs / "postgres", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self._user, cwd=self._folder,
        )  # fmt: skip
        self._wait(programs, timeout_s=120)
        return self

    def _wait(self, programs: Path, *, timeout_s: float) -> None:
        """Return once the server takes queries: it accepts connections earlier, and refuses them."""
        ask: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + timeout_s
        while subprocess.run(ask, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL is not ready after {timeout_s} s")
            time.sleep(0.05)  # a poll of another process, with a deadline

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=60)
        shutil.rmtree(self._folder)
