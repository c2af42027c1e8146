"""Export a checkpoint's four parts and compress each by recipe, with or without calibration cases.

Writes the bundle's IRs and nothing else: the exported parts and FP32 adapters lie in a folder beside it that goes with the
block, and what was captured from cases never has a name (``calibration.grafted``).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from calibration.adapters.base import BaseShape
from calibration.adapters.importing import import_adapter, write_adapter
from calibration.compress import LANGUAGE_MODEL, compress_part, write_wide
from calibration.export import PARTS, export_parts, quiet_vendors
from calibration.golden import load_golden_source
from calibration.grafted.provisional import Checkpoint, provisional_manifest, with_side_branch
from calibration.grafted.stage import MAX_CASES, AdapterFolder, StageRequest, run_in_child
from calibration.memory import release_memory
from calibration.recipe import Recipe
from calibration.recipe_rules import check_group_size
from edge_agent.contracts.manifest import AdapterSpec, AgentName, CensusRow
from edge_agent.contracts.side_branch import SideBranchSpec
from edge_agent.errors import CompressionError

CASES_FOLDER = "calibration"
Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BackboneSource:
    """What a backbone is made from.

    Attributes:
        checkpoint: the base and its declarations.
        shape: the base's linears.
        adapters: PEFT folders by agent; the compression sees them.
        later: PEFT folders of the same backbone that it shall not see, for the figures alone.
        cases: folder of calibration cases, as ``golden/``; read only where the recipe looks at activations.
        side_branch: as written into the bundle's folder; the engine that runs the cases has it too.
        exported: the parts as ``export_parts`` left them for this checkpoint; None exports them here. Only read.
    """

    checkpoint: Checkpoint
    shape: BaseShape
    adapters: Mapping[AgentName, Path]
    later: Mapping[AgentName, Path]
    cases: Path
    side_branch: SideBranchSpec | None = None
    exported: Path | None = None


def find_cases(base: Path, given: Path | None) -> Path:
    """Return the calibration cases: the given folder, else the checkpoint's ``calibration/``, else its ``golden/``.

    A bundle calibrated on its golden cases is judged on them too; the manifest's metrics say which folder it was.
    """
    if given is not None:
        return given
    own = base / CASES_FOLDER
    return own if own.is_dir() else base / "golden"


def check_before_export(recipe: Recipe, *, shape: BaseShape, cases: Path) -> None:
    """Refuse what would fail after the export: a group size, calibration cases, or threads that do not fit.

    Raises:
        CompressionError: the group size does not divide a linear's input, or there are fewer CPUs than threads.
        ExportError: the calibration cases cannot be used.
    """
    language = recipe.language_model
    if language.is_int4:
        check_group_size(language.group_size, shape.linears)
    if recipe.calibration is None:
        return
    load_golden_source(cases, limit=MAX_CASES)
    cpus = len(os.sched_getaffinity(0))
    if recipe.calibration.threads > cpus:
        raise CompressionError(
            f"the recipe {recipe.name} fixes {recipe.calibration.threads} threads, this process has {cpus} CPUs; lower "
            "calibration.threads or build on a larger computer"
        )


def build_backbone(
    source: BackboneSource, folder: Path, *, recipe: Recipe, built: Sequence[AdapterSpec], announce: Announce
) -> tuple[list[CensusRow], dict[str, Any]]:
    """Write ``<part>.xml/.bin`` of all four parts into a bundle's folder.

    Args:
        source: the checkpoint and its adapters.
        folder: the bundle; its adapters lie there already.
        recipe: what every weight shall become.
        built: the declarations of those adapters.
        announce: called with one line before every step.

    Returns:
        The census, and for the manifest's metrics what was looked at and measured (empty without calibration cases).

    Raises:
        ExportError: the checkpoint cannot be exported.
        CompressionError: a weight is not what the recipe declares, or the cases cannot be run.
    """
    rows: list[CensusRow] = []
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="derm-export-", dir=folder.parent) as temporary:
        scratch = Path(temporary)
        if source.exported is None:
            announce(f"export {source.checkpoint.folder.name} to OpenVINO")
            sources = export_parts(source.checkpoint.folder, scratch)
        else:
            sources = {part: source.exported / f"{stem}.xml" for part, stem in PARTS.items()}
        if recipe.calibration is not None:  # the engine runs them and NNCF looks through them, both in float32
            (scratch / "wide").mkdir()
            sources = {part: write_wide(part, path, scratch / "wide" / path.name) for part, path in sources.items()}
        for part, path in sources.items():
            announce(f"compress {part} ({recipe.name})")
            if part == LANGUAGE_MODEL and recipe.language_model.needs_data:
                stage = _stage_request(source, folder, sources=sources, recipe=recipe, built=built, scratch=scratch)
                result = run_in_child(stage)
                found, record = result.census, {"compression": result.record}
                rows += found
            else:
                rows += compress_part(part, path, folder / f"{part}.xml", recipe=recipe)
            release_memory()
    return rows, record


def _stage_request(
    source: BackboneSource,
    folder: Path,
    *,
    sources: Mapping[str, Path],
    recipe: Recipe,
    built: Sequence[AdapterSpec],
    scratch: Path,
) -> StageRequest:
    """Prepare the stage that looks at activations, with FP32 adapters written beside its scratch files."""
    trained = _write(source, source.adapters, scratch / "adapters", precision="f32")
    manifest = provisional_manifest(
        source.checkpoint, sources=sources, adapters=trained.adapters, folder=trained.folder
    )
    if source.side_branch is not None:
        manifest = with_side_branch(manifest, source.side_branch, folder=folder)
    order = {spec.name: spec for spec in built}
    return StageRequest(
        recipe=recipe,
        manifest=manifest,
        cases=source.cases,
        built=AdapterFolder(folder=folder, adapters=[order[spec.name] for spec in trained.adapters]),
        later=_write(source, source.later, scratch / "later", precision="f32"),
        later_built=_write(source, source.later, scratch / "later_built", precision=recipe.adapters.precision),
        target=folder / f"{LANGUAGE_MODEL}.xml",
        scratch=scratch,
    )


def _write(
    source: BackboneSource, adapters: Mapping[AgentName, Path], folder: Path, *, precision: Literal["f32", "int8"]
) -> AdapterFolder:
    """Import PEFT folders and write them in one precision."""
    folder.mkdir()
    digest = source.checkpoint.backbone.content_digest
    with quiet_vendors():
        specs = [
            write_adapter(
                import_adapter(path, name=name, base=source.shape, base_digest=digest),
                out_dir=folder,
                precision=precision,
            )
            for name, path in sorted(adapters.items())
        ]
    return AdapterFolder(folder=folder, adapters=specs)
