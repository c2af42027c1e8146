"""Turn a checkpoint's side branch into a bundle's: tensors, mask and declaration in; IR, mask file and manifest block out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.side_branch.declared import DeclaredSideBranch
from calibration.side_branch.graph import Precision, write_graph
from calibration.side_branch.mask import read_mask, write_mask
from calibration.side_branch.structure import SCALE_KEY, Structure
from calibration.side_branch.tensors import check_declared, read_tensors
from calibration.side_branch.torch_branch import TorchSideBranch
from edge_agent.contracts.manifest import Backbone, CensusRow
from edge_agent.contracts.side_branch import IR_STEM, SideBranchSpec
from edge_agent.errors import ExportError

Array = NDArray[np.float32]
_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Branch:
    """A checkpoint's side branch, read and checked: its tensors by key, its mask, its structure and declaration."""

    declared: DeclaredSideBranch
    structure: Structure
    tensors: dict[str, Array]
    mask: NDArray[np.bool_]

    @property
    def scale(self) -> float:
        """Return ``logit_bias_scale``."""
        return float(self.tensors[SCALE_KEY])

    def torch(self) -> TorchSideBranch:
        """Return the branch in PyTorch, for expected values."""
        return TorchSideBranch(
            self.tensors,
            dimensions=self.declared.dimensions,
            mask=self.mask,
            policy=self.declared.policy,
            images=self.declared.images,
        )


def read_branch(folder: Path, *, declared: DeclaredSideBranch | None, backbone: Backbone) -> Branch | None:
    """Read a checkpoint's side branch; None where it has none and declares none.

    Args:
        folder: the checkpoint.
        declared: ``side_branch`` of its ``derm_edge.json``.
        backbone: of the same checkpoint.

    Raises:
        ExportError: the branch would be ignored, or declaration, tensors or mask do not fit; names file and tensor.
    """
    check_declared(folder, declared)
    if declared is None:
        return None
    vision = backbone.vision
    structure = Structure(
        dimensions=declared.dimensions,
        patch_features=_CHANNELS * vision.temporal_patch_size * vision.patch_size**2,
        hidden_size=backbone.hidden_size,
    )
    mask = read_mask(folder, declared=declared.mask, vocab_size=backbone.vocab_size)
    branch = Branch(declared, structure, read_tensors(folder, structure=structure), mask)
    if branch.scale == 0:
        raise ExportError(f"{folder}: {SCALE_KEY} is 0, so the side branch would do nothing; declare none")
    if declared.scale is not None and declared.scale != branch.scale:
        raise ExportError(
            f"derm_edge.json declares the scale {declared.scale}, {SCALE_KEY} in {folder} is {branch.scale}; declare that"
        )
    return branch


def check_branch(folder: Path, *, declared: DeclaredSideBranch | None, vocab_size: int) -> None:
    """Refuse what files and headers tell: a branch that nobody declares, or a mask that is missing or another.

    Args:
        folder: the checkpoint.
        declared: ``side_branch`` of its ``derm_edge.json``.
        vocab_size: rows of the head, which the mask must have too.

    Raises:
        ExportError: names the file and what to do.
    """
    check_declared(folder, declared)
    if declared is not None:
        read_mask(folder, declared=declared.mask, vocab_size=vocab_size)


def write_branch(
    branch: Branch | None, *, base_digest: str, precision: Precision, folder: Path
) -> tuple[SideBranchSpec | None, list[CensusRow]]:
    """Write the branch's IR and mask below a bundle's folder; return its manifest block and its census, or neither.

    Raises:
        CompressionError: a weight is not what was declared.
    """
    if branch is None:
        return None, []
    census = write_graph(
        branch.tensors, structure=branch.structure, base_digest=base_digest, precision=precision, folder=folder
    )
    spec = SideBranchSpec(
        structure="skingpt_r1",
        base_digest=base_digest,
        precision=precision,
        patch_features=branch.structure.patch_features,
        embed_size=branch.declared.dimensions.embed_size,
        layers=branch.declared.dimensions.layers,
        experts=branch.declared.dimensions.experts,
        files=[f"{IR_STEM}.xml", f"{IR_STEM}.bin"],
        mask=write_mask(branch.mask, folder, source_sha256=branch.declared.mask.sha256),
        scale=branch.scale,
        policy=branch.declared.policy,
        images=branch.declared.images,
    )
    return spec, census
