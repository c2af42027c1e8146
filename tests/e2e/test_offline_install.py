"""The real package, made here, installed in a network namespace that has no route, and put to work on one demo case."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 15 * 60
OFFLINE = ["unshare", "-r", "-n"] if os.geteuid() else ["unshare", "-n"]
BARE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed"),
    pytest.mark.skipif(
        subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode != 0,
        reason="this computer gives no network namespace",
    ),
]


def offline(command: list[str], *, log: Path, more: dict[str, str] | None = None) -> str:
    """Run a command without any network and without this process's environment; return its answer."""
    with log.open("a") as errors:
        done = subprocess.run(
            [*OFFLINE, *command], stdout=subprocess.PIPE, stderr=errors, text=True, check=False, env=BARE | (more or {})
        )
    assert done.returncode == 0, (command, done.stdout[-2000:], log.read_text()[-2000:])
    return done.stdout


@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="the package is for Debian")
def test_a_kiosk_is_installed_without_a_network(tmp_path: Path) -> None:
    """Made, extracted, ``./install.sh``, doctor, one case from the installed slot: in a quarter of an hour, offline."""
    log = tmp_path / "log"
    made = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "scripts.package_main", "--out", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [package] = tmp_path.glob("derm-edge-*.tar")
    print(f"made in {time.monotonic() - made:.0f} s, {package.stat().st_size / 1e6:.0f} MB")  # noqa: T201

    begun = time.monotonic()
    assert offline(["ip", "route"], log=log) == ""  # nothing is reachable, loopback included
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / "kiosk"
    installer = tmp_path / package.stem / "install.sh"
    said = offline([str(installer), "--root", str(root)], log=log, more={"PYTHON": _python()})
    assert "is in use (slot a)" in said
    seconds = time.monotonic() - begun
    size = int(subprocess.run(["du", "-sm", str(root)], capture_output=True, text=True, check=True).stdout.split()[0])
    print(f"installed in {seconds:.0f} s, {size} MB")  # noqa: T201
    assert seconds <= LIMIT_S

    program = [str(root / "usr/bin/derm-edge"), "--config", str(root / "etc/derm-edge/config.toml")]
    checked = subprocess.run([*OFFLINE, *program, "doctor"], capture_output=True, text=True, check=False, env=BARE)
    verdicts = {line.split()[1]: line.split()[0] for line in checked.stdout.splitlines() if line}
    assert {verdicts[name] for name in ("profile", "bundle", "device", "canary", "store", "disk")} == {"✓"}
    assert verdicts["broker"] == "✗"  # no hub here: said, and no reason to refuse the kiosk

    case = ["case", "--folder", str(ROOT / "demo/pictures"), "--intake", str(ROOT / "demo/intake.json"), "--json"]
    report = json.loads(offline([*program, *case], log=log))
    assert report["triage"]["final"]
    assert report["recognition"]  # the agents ran: without an engine there would only be what the rules say
    assert (root / "var/lib/derm-edge/store.db").exists()


def _python() -> str:
    """Return a Python 3.11 outside this test's environment, Debian's own where there is one."""
    debian = Path("/usr/bin/python3.11")
    return str(debian) if debian.exists() else f"{sys.base_prefix}/bin/python3.11"
