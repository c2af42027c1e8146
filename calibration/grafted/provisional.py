"""Declare a bundle that is not built yet, so that the device's engine can run its FP32 parts.

Never packaged, signed or shipped: it has no canary, no golden cases and no digests, and names its files where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from calibration.declaration import BundleDeclaration, agent_specs
from edge_agent.contracts.manifest import (
    AdapterSpec,
    Backbone,
    Canary,
    CanaryBounds,
    FileEntry,
    Golden,
    Manifest,
    PreprocessingSpec,
)
from edge_agent.contracts.side_branch import MASK_ROLE, SideBranchSpec

_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says about itself: everything that the engine needs beside weights."""

    folder: Path
    declaration: BundleDeclaration
    backbone: Backbone
    preprocessing: PreprocessingSpec
    tokenizer: Tokenizer


def provisional_manifest(
    checkpoint: Checkpoint, *, sources: Mapping[str, Path], adapters: Sequence[AdapterSpec], folder: Path
) -> Manifest:
    """Return a manifest whose files are absolute paths of the FP32 parts.

    Args:
        checkpoint: the declarations.
        sources: the four FP32 ``.xml`` by part.
        adapters: FP32 adapters, in the order of the gate's columns.
        folder: where their files lie.
    """
    files = {"tokenizer": checkpoint.folder / "tokenizer.json", **_irs(sources)}
    files |= {name: folder / name for spec in adapters for name in spec.files}
    declaration = checkpoint.declaration
    return Manifest(
        schema_version=1,
        name=declaration.name,
        version=declaration.version,
        lineage=declaration.lineage,
        clinical_use=False,
        notice="not a bundle",
        licences={},
        files=[_entry(role, path) for role, path in files.items()],
        backbone=checkpoint.backbone,
        preprocessing=checkpoint.preprocessing,
        adapters=list(adapters),
        agents=agent_specs(declaration, checkpoint.tokenizer),
        vocabulary_version=declaration.vocabulary_version,
        vocabulary_sha256=_NO_DIGEST,
        languages=declaration.languages,
        thresholds=declaration.thresholds,
        coder=declaration.coder,
        canary=Canary(file="", bounds=CanaryBounds(strict_max_abs=1.0, strict_min_argmax=0.0)),
        golden=Golden(file="", count=0),
        recipe={},
        census=[],
        metrics={},
    )


def with_side_branch(manifest: Manifest, spec: SideBranchSpec, *, folder: Path) -> Manifest:
    """Return the manifest with a side branch whose files lie in a bundle's folder."""
    roles = {name: folder / name for name in spec.files} | {MASK_ROLE: folder / spec.mask.file}
    files = [*manifest.files, *(_entry(role, path) for role, path in roles.items())]
    return manifest.model_copy(update={"side_branch": spec, "files": files})


def _irs(sources: Mapping[str, Path]) -> dict[str, Path]:
    return {f"{part}{end}": path.with_suffix(end) for part, path in sources.items() for end in (".xml", ".bin")}


def _entry(role: str, path: Path) -> FileEntry:
    return FileEntry(path=str(path.resolve()), role=role, size_bytes=path.stat().st_size, sha256=_NO_DIGEST)
