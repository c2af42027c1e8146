"""Build a random checkpoint, or run one case on a bundle, in a process of its own: what ``scale_main`` measures.

Prints ``stage NAME`` before every step and one JSON object at the end.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from calibration.build import BuildRequest, build
from calibration.checkpoint.shape_declared import ADAPTERS_FOLDER, RECIPE_NAME
from calibration.recipe import load_recipe
from calibration.reference.cli import stay_offline
from calibration.sign import development_key
from device_profiles.loader import load_profile
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.case import Request
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.errors import EdgeError
from edge_agent.inference.engine import Engine, EngineSettings

_RESULT = "canary:"  # the gates' figures, no step
SIDE = 448  # px of the view
_RECORD = "view:1.colour bright_red\nrepresentation.symmetry symmetric\nintake.pulse rapid"


def build_step(checkpoint: Path, out: Path) -> dict[str, object]:
    """Build a folder that ``derm-calibrate shape`` wrote and return the bundle's bytes by part."""
    request = BuildRequest(
        base=checkpoint,
        adapters={agent: checkpoint / ADAPTERS_FOLDER / agent for agent in AGENTS},
        recipe=load_recipe(str(checkpoint / RECIPE_NAME)),
        out=out,
        private_key=development_key(),
        replace=True,
    )
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        if not line.startswith(_RESULT):
            _say(line)

    manifest = build(request, announce=announce)
    sizes: dict[str, int] = {}
    for entry in manifest.files:
        part = entry.role.split(".")[0]
        sizes[part] = sizes.get(part, 0) + entry.size_bytes
    return {"sizes": sizes, "gates": said[-1]}


def case_step(bundle: Path) -> dict[str, object]:
    """Run one view of 448 px through all three agents, each under its grammar, and return seconds and tokens."""
    _say("load")
    started = time.monotonic()
    opened = open_bundle(bundle, keys=load_keys(shipped_key_folder()))
    threads = load_profile("generic").inference.threads
    figures: dict[str, float] = {}
    with Engine(opened, settings=EngineSettings(threads=threads)) as engine:
        figures["load_s"] = _since(started)
        _say("case")
        started = time.monotonic()
        y, x = np.mgrid[0:SIDE, 0:SIDE]
        disc = (x - 220) ** 2 + (y - 230) ** 2 < 120**2
        planes = [np.where(disc, 70, 110 + y // 8), np.where(disc, 60, 140 + x // 16), np.where(disc, 190, 200)]
        view = engine.encode(np.stack(planes, axis=-1).astype(np.uint8))
        figures["encode_s"] = _since(started)
        requests: dict[AgentName, Request] = {
            "recognition": Request(views=(view,), texts={}),
            "representation": Request(views=(view,), texts={}),
            "reasoning": Request(views=(), texts={"record": _RECORD}),
        }
        outputs = [out for agent in AGENTS for steps in engine.run(agent, [requests[agent]]) for out in steps]
        figures["case_s"] = _since(started)
    figures["tokens_sampled"] = sum(out.tokens_sampled for out in outputs)
    figures["tokens_forced"] = sum(out.tokens_forced for out in outputs)
    return {"case": figures}


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _say(line: str) -> None:
    print(f"stage {line}", flush=True)


def main() -> int:
    """Run ``build CHECKPOINT BUNDLE`` or ``case BUNDLE``."""
    stay_offline()
    step, folders = sys.argv[1], [Path(one) for one in sys.argv[2:]]
    try:
        found = build_step(folders[0], folders[1]) if step == "build" else case_step(folders[0])
    except EdgeError as exc:
        print(f"error: {exc}", flush=True)
        return exc.exit_code
    print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
