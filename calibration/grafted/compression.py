"""Compress the language model on captured conversations, through the grafted adapters.

Calibrated on the bare graph, GPTQ and scale estimation miss what the adapters add to every layer's input (measured:
logit error .096 against .021, and .041 against .016). So NNCF sees the FP32 graph with FP32 branches in its ignored
scope and the gate in its data set; what is saved is the backbone alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibration.compress import LANGUAGE_MODEL, nncf_options, read_source, run_nncf, save_part
from calibration.grafted.captured import ArrayFile
from calibration.grafted.separation import graft_branches, separate
from calibration.recipe import Recipe
from edge_agent.contracts.manifest import CensusRow
from edge_agent.inference.adapters import Adapter


def compress_through_graft(
    source: Path, target: Path, *, adapters: Sequence[Adapter], inputs: ArrayFile, recipe: Recipe
) -> list[CensusRow]:
    """Compress the language model IR, check its census and save it; return the census for the manifest.

    Args:
        source: the FP32 ``.xml``.
        target: the ``.xml`` to write.
        adapters: FP32, in the order of the captured gates' columns.
        inputs: captured conversations.
        recipe: what every weight shall become.

    Raises:
        CompressionError: NNCF refused, or a tensor is not what the recipe declares.
        Incompatible: an adapter does not fit the backbone.
    """
    import nncf

    model, count = read_source(LANGUAGE_MODEL, source)
    ignored = graft_branches(model, adapters)
    options = nncf_options(LANGUAGE_MODEL, recipe=recipe) or {}
    if recipe.language_model.needs_data:
        options["dataset"] = nncf.Dataset(inputs)
    model = run_nncf(model, options | {"ignored_scope": nncf.IgnoredScope(names=ignored)}, part=LANGUAGE_MODEL)
    separate(model)
    return save_part(model, target, part=LANGUAGE_MODEL, recipe=recipe, count=count)
