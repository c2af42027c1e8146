"""A side branch as a bundle declares it: structure, vocabulary mask, scale, policies; and what must agree.

SkinGPT-R1 reads the raw patches of a picture in a small branch beside the backbone and adds what it finds to the logits:

    logits += scale * lm_head(text_bias(vision_embed)) * mask

Upstream the branch does nothing unless somebody passes the mask at run time, acts on the first generated token alone
when a KV cache is used, and has no meaning for several pictures. So a bundle declares all of it, and a bundle whose
branch would be ignored is refused. Reads no file and runs nothing: ``edge_agent.inference.side_branch`` does.

Source: SkinGPT-R1, arXiv 2511.15242, and its published model code and training notes (MIT).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.errors import Incompatible, RejectedError

if TYPE_CHECKING:
    from edge_agent.contracts.manifest import AgentInputs, FileEntry, Manifest, Step

# ``first_token``: the token that follows each turn's prompt, as upstream generates with a KV cache. ``every_token``:
# every generated token. Training applied it at the answer's own positions, so which one is better must be measured.
BranchPolicy = Literal["first_token", "every_token"]
# ``one``: more than one picture is refused. ``mean``: the pictures' embeddings are averaged before ``text_bias``.
ImagePolicy = Literal["one", "mean"]
# The auxiliary head's classes, in the order of its logits; apparent skin colour in the picture, no phototype.
TONE_CLASSES = ("light", "medium", "dark")
IR_STEM = "side_branch"
MASK_ROLE = "side_branch.mask"

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_CHANNELS = 3


class _Closed(BaseModel):
    """Unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VocabularyMask(_Closed):
    """Which tokens the branch may touch.

    ``file`` holds one byte per token of the vocabulary, 0 or 1, and has digest ``sha256``; ``ones`` counts the 1s.
    ``source_sha256`` is the digest of the JSON array that the checkpoint's owner gave.
    """

    file: str
    sha256: _Digest
    ones: int = Field(gt=0)
    source_sha256: _Digest


class SideBranchSpec(_Closed):
    """The optional block ``side_branch`` of a manifest.

    ``base_digest`` must equal the backbone's content_digest. ``patch_features`` is the width of one raw patch,
    ``embed_size`` the branch's own; ``layers`` adapters of ``experts`` experts each. ``scale`` is the checkpoint's
    ``logit_bias_scale``; 0 would switch the branch off and is refused.
    """

    structure: Literal["skingpt_r1"]
    base_digest: _Digest
    precision: Literal["f32", "int8"]
    patch_features: int = Field(gt=0)
    embed_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    experts: int = Field(gt=1)
    files: list[str] = Field(min_length=2, max_length=2)
    mask: VocabularyMask
    scale: float = Field(allow_inf_nan=False)
    policy: BranchPolicy
    images: ImagePolicy

    @model_validator(mode="after")
    def _scale_is_not_zero(self) -> SideBranchSpec:
        """Refuse a branch that is declared and does nothing."""
        if self.scale == 0:
            raise ValueError("side_branch.scale is 0, so the branch would do nothing: declare no side branch")
        return self


class SeeingAgent(Protocol):
    """What the policies ask of an agent: the pictures that it sees and the contracts of its steps."""

    @property
    def inputs(self) -> AgentInputs:
        """Return the declared inputs."""
        ...

    @property
    def steps(self) -> Sequence[Step]:
        """Return the declared steps."""
        ...


def check_side_branch(manifest: Manifest) -> None:
    """Check that the branch's files, mask and policies fit the rest of the manifest; does nothing without a branch.

    Raises:
        RejectedError: a file is missing or contradicts the block, or the branch would be ignored.
        Incompatible: the branch belongs to another backbone, vocabulary or patch size.
    """
    roles = {entry.role: entry for entry in manifest.files}
    branch = manifest.side_branch
    if branch is None:
        stray = next((role for role in sorted(roles) if role.startswith(f"{IR_STEM}.")), None)
        if stray is not None:
            raise RejectedError(
                f"{roles[stray].path} belongs to a side branch that the manifest does not declare: it would be ignored; "
                "build the bundle again"
            )
        return
    for role in (f"{IR_STEM}.xml", f"{IR_STEM}.bin"):
        if role not in roles or roles[role].path not in branch.files:
            raise RejectedError(f"the side branch declares no file with the role {role}; build the bundle again")
    _check_mask(roles.get(MASK_ROLE), manifest=manifest, branch=branch)
    _check_backbone(manifest, branch)
    problem = policy_problem(manifest.agents.items(), policy=branch.policy, images=branch.images)
    if problem is not None:
        raise RejectedError(problem)


def _check_mask(entry: FileEntry | None, *, manifest: Manifest, branch: SideBranchSpec) -> None:
    if entry is None or entry.path != branch.mask.file:
        raise RejectedError(
            f"the side branch has no vocabulary mask ({branch.mask.file}, role {MASK_ROLE}): without it the branch does "
            "nothing; build the bundle again with its mask"
        )
    if entry.sha256 != branch.mask.sha256:
        raise RejectedError(
            f"{entry.path} has sha256 {entry.sha256[:16]}…, the side branch declares {branch.mask.sha256[:16]}…: this is "
            "another mask; build the bundle again"
        )
    if entry.size_bytes != manifest.backbone.vocab_size:
        raise Incompatible(
            f"{entry.path} has {entry.size_bytes} entries, the vocabulary has {manifest.backbone.vocab_size} tokens: take "
            "the mask of this checkpoint"
        )


def _check_backbone(manifest: Manifest, branch: SideBranchSpec) -> None:
    vision = manifest.backbone.vision
    if branch.base_digest != manifest.backbone.content_digest:
        raise Incompatible("the side branch was made for another backbone; build it from this checkpoint")
    features = _CHANNELS * vision.temporal_patch_size * vision.patch_size**2
    if branch.patch_features != features:
        raise Incompatible(
            f"the side branch reads patches of {branch.patch_features} values, the backbone cuts {features}; build the "
            "bundle again"
        )


def policy_problem(
    agents: Iterable[tuple[str, SeeingAgent]], *, policy: BranchPolicy, images: ImagePolicy
) -> str | None:
    """Return one line if some agent could only fail under these policies, or would never use the branch; else None.

    Args:
        agents: name and agent, of a manifest or of a checkpoint's declaration.
        policy: which tokens are corrected.
        images: how many pictures the branch takes.
    """
    seeing = {name: agent for name, agent in agents if agent.inputs.images != "none"}
    if not seeing:
        return "no agent sees a picture, so the side branch would be ignored; declare none"
    for name, agent in seeing.items():
        if images == "one" and agent.inputs.images == "all":
            return f"the side branch takes one picture, but {name} sees all of them; declare the image policy `mean`"
        if policy == "first_token" and all(step.contract == "schema" for step in agent.steps):
            return (
                f"{name} answers by schema, whose first token is forced: the policy `first_token` would be ignored; "
                "declare `every_token` or a text step"
            )
    return None
