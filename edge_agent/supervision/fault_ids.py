"""Name what is wrong with the device now, for the banner on every page; ``kiosk.faults`` has the words."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from edge_agent.supervision.restarts import PartHistory

DISK_LOW_BYTES: Final = 500_000_000
DISK_FULL_BYTES: Final = 50_000_000
_DOWN: Final = {"inference": "inference_down", "camera": "camera_down", "uplink": "uplink_degraded"}


def fault_ids(health: Mapping[str, PartHistory], *, faults: Sequence[str], state_dir: Path | None) -> tuple[str, ...]:
    """Return the ids, the most important first. Reads the free space of one disk and nothing else.

    Args:
        health: what is remembered of every part.
        faults: of the configuration; any means safe mode.
        state_dir: whose disk is looked at; None: none.
    """
    found = ["safe_mode"] if faults else []
    found += _disk(state_dir)
    degraded = [name for name, history in health.items() if history.is_degraded]
    found += [_DOWN[name] for name in degraded if name in _DOWN]
    found += ["restarting_often"] if any(name not in _DOWN for name in degraded) else []
    return tuple(found)


def _disk(state_dir: Path | None) -> list[str]:
    if state_dir is None:
        return []
    with suppress(OSError):
        free = shutil.disk_usage(state_dir).free
        if free < DISK_FULL_BYTES:
            return ["disk_full"]
        return ["disk_low"] if free < DISK_LOW_BYTES else []
    return ["disk_full"]
