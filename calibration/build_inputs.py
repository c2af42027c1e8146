"""Read what a bundle is built from, and refuse what would fail before the first minute of work. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from calibration import golden
from calibration.adapters.base import BaseShape, read_base_shape
from calibration.adapters.headers import check_headers
from calibration.adapters.importing import check_labels
from calibration.backbone import check_before_export, find_cases
from calibration.checkpoint.preflight import check_before_build
from calibration.declaration import DECLARATION_NAME, BundleDeclaration, check_answers, load_declaration
from calibration.export import read_backbone, read_json, read_preprocessing
from calibration.grafted.provisional import Checkpoint
from calibration.grafted.stage import MAX_CASES
from calibration.recipe import Recipe
from calibration.side_branch.building import Branch, check_branch, read_branch
from edge_agent.contracts.golden import CASES_NAME, GoldenSet
from edge_agent.contracts.manifest import AgentName
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CompressionError, ExportError

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
    base: Path,
    *,
    adapters: Mapping[AgentName, Path],
    recipe: Recipe,
    out: Path,
    cases: Path | None = None,
    later: Mapping[AgentName, Path] | None = None,
) -> BuildInputs:
    """Read a checkpoint and hold it against its adapters, the recipe and this workstation; headers first, bytes last.

    Args:
        base: checkpoint in Hugging Face layout with ``derm_edge.json``.
        adapters: PEFT folders by agent.
        recipe: what happens to the weights.
        out: where the bundle will be written; its disk must hold it.
        cases: calibration cases; None takes ``calibration/`` or ``golden/`` of the base.
        later: PEFT folders of the same backbone that the compression shall not see.

    Raises:
        ExportError: the checkpoint, an adapter or the declaration cannot be used, a licence is missing, or memory or
            disk would not last.
        CompressionError: the recipe does not fit the checkpoint or this workstation.
    """
    declaration, source = check_inputs(base, adapters=adapters, recipe=recipe, out=out, cases=cases)
    shape, folder = read_base_shape(base), find_cases(base, cases)
    _check_later(later or {}, built=adapters, recipe=recipe, shape=shape)
    preprocessing = read_preprocessing(base, max_pixels=declaration.max_pixels)
    tokenizer = _read_tokenizer(base, declaration)
    metrics = _read_metrics(base)
    backbone = read_backbone(base)  # reads every weight once, for the digest
    for name, place in (*adapters.items(), *(later or {}).items()):
        check_labels(place, name=name, base_digest=backbone.content_digest)
    branch = read_branch(base, declared=declaration.side_branch, backbone=backbone)
    checkpoint = Checkpoint(base, declaration, backbone, preprocessing, tokenizer)
    return BuildInputs(checkpoint, shape, folder, source, branch, metrics)


def check_inputs(
    base: Path, *, adapters: Mapping[AgentName, Path], recipe: Recipe, out: Path, cases: Path | None = None
) -> tuple[BundleDeclaration, GoldenSet]:
    """Refuse what headers, declarations and case folders already tell; takes a moment and reads no weights.

    Returns:
        The declaration and the golden cases.

    Raises:
        ExportError, CompressionError: as ``read_inputs``, whose arguments these are.
    """
    declaration = load_declaration(base)
    _check_vocabulary(declaration, file=base / DECLARATION_NAME)
    folders = {str(name): folder for name, folder in adapters.items()}
    found = check_before_build(base, adapters=folders, recipe=recipe, out=out)
    check_branch(base, declared=declaration.side_branch, vocab_size=found.architecture.vocab_size)
    shape, folder = read_base_shape(base), find_cases(base, cases)
    _check_adapters(adapters, declaration, shape)
    source = _read_cases(base / "golden", declaration, limit=golden.MAX_CASES)
    check_before_export(recipe, shape=shape, cases=folder)
    if recipe.calibration is not None and folder != base / "golden":
        _read_cases(folder, declaration, limit=MAX_CASES)
    return declaration, source


def _check_vocabulary(declaration: BundleDeclaration, *, file: Path) -> None:
    """Refuse agents that were tuned on another vocabulary, or that can write what this one does not know."""
    vocabulary = Vocabulary.load()
    if declaration.vocabulary_version != vocabulary.version:
        raise ExportError(
            f"{file}: the adapters were tuned on vocabulary {declaration.vocabulary_version}, this program has "
            f"{vocabulary.version}; build with the program of that vocabulary, or train again"
        )
    unknown = vocabulary.unknown_in({name: agent.steps for name, agent in declaration.agents.items()})
    if unknown is not None:
        raise ExportError(f"{file}: {unknown}, which vocabulary {vocabulary.version} does not know; mend the schema")


def _read_tokenizer(base: Path, declaration: BundleDeclaration) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    except Exception as exc:
        raise ExportError(f"{base / 'tokenizer.json'} cannot be read: {' '.join(str(exc).split())[:160]}") from exc
    check_answers(declaration, tokenizer)
    return tokenizer


def _check_adapters(adapters: Mapping[AgentName, Path], declaration: BundleDeclaration, shape: BaseShape) -> None:
    declared = {agent.adapter for agent in declaration.agents.values() if agent.adapter is not None}
    for name in sorted(declared - set(adapters)):
        raise ExportError(f"the declaration needs the adapter {name}; add --adapter {name}=DIR")
    for name in sorted(set(adapters) - declared):
        raise ExportError(f"no agent uses the adapter {name}; remove it")
    for folder in adapters.values():
        check_headers(folder, base=shape)


def _check_later(
    later: Mapping[AgentName, Path], *, built: Mapping[AgentName, Path], recipe: Recipe, shape: BaseShape
) -> None:
    """Check adapters that are only measured: on the conversations of their agent that the compression looks at."""
    if later and recipe.calibration is None:
        raise CompressionError(
            f"the recipe {recipe.name} looks at no cases, so the later adapter {min(later)} would not be measured; leave "
            "--later out or take a recipe with [calibration]"
        )
    for name in sorted(set(later) - set(built)):
        raise ExportError(f"the later adapter {name} has no adapter {name} to stand beside; add --adapter {name}=DIR")
    for folder in later.values():
        check_headers(folder, base=shape)


def _read_cases(folder: Path, declaration: BundleDeclaration, *, limit: int) -> GoldenSet:
    """Read golden or calibration cases that hold every text that an agent is given."""
    source = golden.load_golden_source(folder, limit=limit)
    for case in source.cases:
        for name, agent in declaration.agents.items():
            missing = [text for text in agent.inputs.text if text not in case.texts]
            if missing:
                raise ExportError(
                    f"{folder / CASES_NAME}: case {case.case_id} lacks the text {missing[0]!r}, which {name} reads; add it "
                    "to its texts"
                )
    return source


def _read_metrics(base: Path) -> dict[str, Any]:
    path = base / METRICS_NAME
    return read_json(path) if path.is_file() else {}
