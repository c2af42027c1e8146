"""Read what a bundle is built from, and refuse what would fail before the first minute of work. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from calibration import golden
from calibration.adapters.base import BaseShape, read_base_shape
from calibration.adapters.importing import check_labels
from calibration.backbone import check_before_export, find_cases
from calibration.checkpoint.preflight import check_before_build
from calibration.declaration import BundleDeclaration, check_answers, load_declaration
from calibration.export import read_backbone, read_json, read_preprocessing
from calibration.grafted.provisional import Checkpoint
from calibration.recipe import Recipe
from calibration.side_branch.building import Branch, read_branch
from edge_agent.contracts.golden import GoldenSet
from edge_agent.contracts.manifest import AgentName, Backbone
from edge_agent.errors import ExportError

METRICS_NAME = "metrics.json"


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """A checkpoint that was read and checked; ``cases`` is the folder that the compression may look at."""

    checkpoint: Checkpoint
    shape: BaseShape
    cases: Path
    golden: GoldenSet
    side_branch: Branch | None
    metrics: dict[str, Any]


def read_inputs(
    base: Path, *, adapters: Mapping[AgentName, Path], recipe: Recipe, out: Path, cases: Path | None
) -> BuildInputs:
    """Read a checkpoint and hold it against its adapters, the recipe and this workstation.

    Args:
        base: checkpoint in Hugging Face layout with ``derm_edge.json``.
        adapters: PEFT folders by agent.
        recipe: what happens to the weights.
        out: where the bundle will be written; its disk must hold it.
        cases: calibration cases; None takes ``calibration/`` or ``golden/`` of the base.

    Raises:
        ExportError: the checkpoint, an adapter or the declaration cannot be used, a licence is missing, or memory or
            disk would not last.
        CompressionError: the recipe does not fit the checkpoint or this workstation.
    """
    declaration = load_declaration(base)
    folders = {str(name): folder for name, folder in adapters.items()}
    check_before_build(base, adapters=folders, recipe=recipe, out=out)
    backbone = read_backbone(base)
    preprocessing = read_preprocessing(base, max_pixels=declaration.max_pixels)
    tokenizer = _read_tokenizer(base, declaration)
    source = golden.load_golden_source(base / "golden")
    _check_adapters(adapters, declaration, backbone)
    branch = read_branch(base, declared=declaration.side_branch, backbone=backbone)
    metrics = _read_metrics(base)
    shape, folder = read_base_shape(base), find_cases(base, cases)
    check_before_export(recipe, shape=shape, cases=folder)
    checkpoint = Checkpoint(base, declaration, backbone, preprocessing, tokenizer)
    return BuildInputs(checkpoint, shape, folder, source, branch, metrics)


def _read_tokenizer(base: Path, declaration: BundleDeclaration) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    except Exception as exc:
        raise ExportError(f"{base / 'tokenizer.json'} cannot be read: {' '.join(str(exc).split())[:160]}") from exc
    check_answers(declaration, tokenizer)
    return tokenizer


def _check_adapters(adapters: Mapping[AgentName, Path], declaration: BundleDeclaration, backbone: Backbone) -> None:
    declared = {agent.adapter for agent in declaration.agents.values() if agent.adapter is not None}
    for name in sorted(declared - set(adapters)):
        raise ExportError(f"the declaration needs the adapter {name}; add --adapter {name}=DIR")
    for name in sorted(set(adapters) - declared):
        raise ExportError(f"no agent uses the adapter {name}; remove it")
    for name, folder in adapters.items():
        check_labels(folder, name=name, base_digest=backbone.content_digest)


def _read_metrics(base: Path) -> dict[str, Any]:
    path = base / METRICS_NAME
    return read_json(path) if path.is_file() else {}
