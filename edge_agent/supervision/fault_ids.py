"""Name what is wrong with the device now, for the banner on every page; ``kiosk.faults`` has the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from edge_agent.store.space import Stage
from edge_agent.supervision.governor import Strain
from edge_agent.supervision.restarts import PartHistory

_DOWN: Final = {"inference": "inference_down", "camera": "camera_down", "uplink": "uplink_degraded"}
_ROOM: Final = {Stage.LOW: "disk_low", Stage.TIGHT: "disk_tight", Stage.FULL: "disk_full"}


def fault_ids(
    health: Mapping[str, PartHistory], *, faults: Sequence[str], stage: Stage | None, strains: Sequence[Strain] = ()
) -> tuple[str, ...]:
    """Return the ids, the most important first. Measures nothing: the store's ladder did (``store.space``).

    Args:
        health: what is remembered of every part.
        faults: of the configuration; any means safe mode.
        stage: how much room there is; None: nobody has looked yet.
        strains: what holds new runs of the agents.
    """
    found = ["safe_mode"] if faults else []
    found += [_ROOM[stage]] if stage in _ROOM else []
    found += [str(strain) for strain in strains]
    degraded = [name for name, history in health.items() if history.is_degraded]
    found += [_DOWN[name] for name in degraded if name in _DOWN]
    found += ["restarting_often"] if any(name not in _DOWN for name in degraded) else []
    return tuple(found)
