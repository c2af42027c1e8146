"""The inference child holds pictures of people: read from outside, on the real process, it can leave no core dump."""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from tests.simulators.core_limit import needs_core_dumps
from tests.simulators.kiosk import Kiosk, wait_until


def test_the_inference_child_can_leave_no_core_dump() -> None:
    """Soft and hard limit are zero: nothing that it does later can lift them."""
    needs_core_dumps()
    with tempfile.TemporaryDirectory(prefix="kiosk-") as folder, Kiosk(Path(folder)) as device:
        device.start()
        assert device.daemon is not None
        daemon = psutil.Process(device.daemon.pid)

        def has_no_core() -> bool:
            found = [child for child in daemon.children() if "edge_agent.inference.worker" in child.cmdline()]
            return bool(found) and core_limits(found[0].pid) == ["0", "0"]

        assert core_limits(daemon.pid)[1] != "0"  # else the child's limit would show nothing
        wait_until(has_no_core, what="the inference child could leave a core dump")


def core_limits(pid: int) -> list[str]:
    """Return the soft and the hard limit of a process's core dumps."""
    text = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    return next(line for line in text.splitlines() if line.startswith("Max core file size")).split()[4:6]
