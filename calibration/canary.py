"""Make the canary: expected logits per adapter on three short prompts, from PyTorch + PEFT in FP32.

The archive (npz) holds, for every adapter name and for ``bare``, and for k = 0, 1, 2 (``side_branch``: k = 0 only, the
first prompt of an agent that sees a picture, the bias added at every position):

* ``<name>.<k>.input_ids``: int64[S], pictures widened to their merged tokens;
* ``<name>.<k>.frame``: uint8[H, W, 3] BGR, only where the prompt holds a picture (k = 0 of agents that see any);
* ``<name>.<k>.logits``: float32[R, V], the logits after the last R positions (R = 4).

k = 0 is the agent's own first prompt (``bare`` takes recognition's), k = 1 English, k = 2 Chinese. The
prompts of an activated LoRA end in its invocation and a few words, so that both sides of its gate are seen.
Never made from a bundle: a bundle is what the canary judges.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.declaration import BundleDeclaration
from calibration.torch_reference import BARE, TorchReference
from edge_agent.agents import prompts
from edge_agent.contracts.manifest import AGENTS, AgentName

SIDE_BRANCH = "side_branch"
ROWS = 4
_ENGLISH = "scale silvery_lamellar and colour bright_red"
_CHINESE = "舌红苔黄，脉数，皮损鲜红"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # archives carry no time, so that two builds are the same bytes


def canary_frame() -> NDArray[np.uint8]:
    """Return a fixed picture, uint8[84, 112, 3] BGR: a red disc with a ripple on a brownish slope."""
    y, x = np.mgrid[0:84, 0:112]
    disc = (x - 50) ** 2 + (y - 40) ** 2 < 30**2
    ripple = ((x * 7 + y * 5) % 16) * 3
    blue = np.where(disc, 70 + ripple, 110 + y // 2)
    green = np.where(disc, 60 + ripple, 140 + x // 4)
    red = np.where(disc, 190, 190 + (x + y) // 8)
    return np.stack([blue, green, red], axis=-1).astype(np.uint8)


def make_canary(reference: TorchReference, declaration: BundleDeclaration) -> dict[str, NDArray[np.generic]]:
    """Run the three prompts under every declared adapter and the bare backbone.

    Returns:
        The arrays of the archive, by name.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    agents = {agent.adapter: name for name, agent in declaration.agents.items() if agent.adapter is not None}
    rows: list[tuple[str, AgentName | None, AgentName]] = [(name, name, agents[name]) for name in sorted(agents)]
    rows.append((BARE, None, "recognition"))
    for label, adapter, agent in rows:
        for number, (text, has_picture) in enumerate(_prompts(declaration, agent=agent)):
            frame = canary_frame()
            pictures = [reference.picture(np.ascontiguousarray(frame[:, :, ::-1]))] if has_picture else []
            ids = reference.prompt_ids(text, pictures=pictures)
            logits = reference.logits(ids, pictures=pictures, adapter=adapter)
            arrays[f"{label}.{number}.input_ids"] = np.asarray(ids, dtype=np.int64)
            arrays[f"{label}.{number}.logits"] = logits[-ROWS:]
            if has_picture:
                arrays[f"{label}.{number}.frame"] = frame
    return arrays if reference.side_branch is None else arrays | _branch_rows(reference, declaration)


def _branch_rows(reference: TorchReference, declaration: BundleDeclaration) -> dict[str, NDArray[np.generic]]:
    """Run the bare backbone with its side branch on one picture."""
    agent = next(name for name in AGENTS if declaration.agents[name].inputs.images != "none")
    frame = canary_frame()
    pictures = [reference.picture(np.ascontiguousarray(frame[:, :, ::-1]))]
    ids = reference.prompt_ids(_prompts(declaration, agent=agent)[0][0], pictures=pictures)
    logits = reference.logits(ids, pictures=pictures, adapter=None, is_branched=True)
    return {
        f"{SIDE_BRANCH}.0.input_ids": np.asarray(ids, dtype=np.int64),
        f"{SIDE_BRANCH}.0.logits": logits[-ROWS:],
        f"{SIDE_BRANCH}.0.frame": frame,
    }


def _prompts(declaration: BundleDeclaration, *, agent: AgentName) -> list[tuple[str, bool]]:
    declared = declaration.agents[agent]
    has_picture = declared.inputs.images != "none"
    texts = dict.fromkeys(declared.inputs.text, _ENGLISH)
    own = prompts.fill(declared.steps[0].prompt, images=1 if has_picture else 0, texts=texts)
    turn = (declared.invocation + "scale") if declared.invocation else ""
    return [(own, has_picture), (_ENGLISH + turn, False), (_CHINESE + turn, False)]


def logit_range(arrays: Mapping[str, NDArray[np.generic]]) -> float:
    """Return the distance between the smallest and the largest expected logit."""
    values = [np.asarray(array, dtype=np.float64) for name, array in arrays.items() if name.endswith(".logits")]
    return max(float(v.max()) for v in values) - min(float(v.min()) for v in values)


def write_canary(arrays: Mapping[str, NDArray[np.generic]], path: Path) -> None:
    """Write the arrays as a compressed npz whose bytes depend on them alone (numpy's own writer stores the time)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, buffer.getvalue())
