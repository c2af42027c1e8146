"""The side branch on the device: read its IR and mask, check both, compute a picture's features and the bias's hidden row.

The IR (format: ``calibration/side_branch/graph.py``) holds two parts that share nothing: ``pixel_values`` float32[P, D]
to ``vision_embed`` float32[1, E] and ``tone_logits`` float32[1, 3]; ``pooled_embed`` float32[1, E] to ``bias_hidden``
float32[1, H]. The first runs once per picture beside the vision tower, the second once per conversation. What comes
after it is the language model's own head: ``edge_agent.inference.branched``.

Never falls back to the bare backbone: what does not fit is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.side_branch import IR_STEM, MASK_ROLE, TONE_CLASSES, SideBranchSpec
from edge_agent.errors import Incompatible, InferenceError, RejectedError
from edge_agent.inference.runtime import Runtime, infer_outputs, translated

Floats = NDArray[np.float32]
FORMAT_VERSION = 1
RT_INFO = "derm_edge_side_branch"
PATCHES, EMBED, TONE, POOLED, HIDDEN = "pixel_values", "vision_embed", "tone_logits", "pooled_embed", "bias_hidden"
# Which of two experts a patch takes is a jump, not a slope: the routers are small and stay in float32.
ROUTERS = ("router_img", "router_skin")


@dataclass(frozen=True, slots=True)
class BranchFeatures:
    """What the branch sees in one picture: ``embed`` float32[E], ``tone_logits`` float32[3] (light, medium, dark).

    Lives in memory only, as the encoded view does.
    """

    embed: Floats
    tone_logits: Floats

    def tone(self) -> Mapping[str, float]:
        """Return the tone head's logits by class; they are shown, never decided upon."""
        return dict(zip(TONE_CLASSES, (float(value) for value in self.tone_logits), strict=True))


class SideBranch:
    """A loaded side branch. Computes; keeps nothing of a picture."""

    def __init__(
        self, picture: ov.InferRequest, *, text_bias: ov.InferRequest, spec: SideBranchSpec, mask: NDArray[np.bool_]
    ) -> None:
        self._picture = picture
        self._text_bias = text_bias
        self.spec = spec
        # One multiplication per token instead of two: scale where the mask is 1, else 0. float32[V].
        self._weights = np.where(mask, np.float32(spec.scale), np.float32(0))

    def features(self, pixel_values: Floats) -> BranchFeatures:
        """Read one picture.

        Args:
            pixel_values: float32[P, D], the raw patches that the vision tower gets.

        Raises:
            InferenceError: the runtime failed, or the branch gave no numbers.
        """
        out = infer_outputs(
            self._picture, {PATCHES: pixel_values}, names=(EMBED, TONE), doing="the side branch cannot run"
        )
        if not all(np.isfinite(value).all() for value in out.values()):
            raise InferenceError("the side branch gave values that are not numbers; install the bundle again")
        return BranchFeatures(out[EMBED].reshape(-1), out[TONE].reshape(-1))

    def hidden(self, pictures: Sequence[BranchFeatures]) -> Floats:
        """Return float32[H]: the row that the language model's head turns into the bias of these pictures.

        Args:
            pictures: at least one; several only under the image policy ``mean``.

        Raises:
            InferenceError: more pictures than the declared policy allows, or the runtime failed.
        """
        if len(pictures) != 1 and self.spec.images == "one":
            raise InferenceError(f"the side branch takes one picture, but {len(pictures)} were given; ask one by one")
        pooled = np.stack([one.embed for one in pictures]).mean(axis=0, keepdims=True, dtype=np.float32)
        out = infer_outputs(self._text_bias, {POOLED: pooled}, names=(HIDDEN,), doing="the side branch cannot run")
        return out[HIDDEN].reshape(-1)

    def bias(self, projected: Floats) -> Floats:
        """Return what is added to the logits: ``scale * projected * mask``, float32[V].

        Args:
            projected: float32[V], the head's product with ``hidden``'s row.
        """
        return projected * self._weights


def load_side_branch(bundle: Bundle, *, runtime: Runtime) -> SideBranch | None:
    """Read, check and compile the bundle's side branch; None where the manifest declares none.

    Raises:
        RejectedError: IR or mask are not what the manifest declares; says which file and what differs.
        Incompatible: it was made for another backbone, vocabulary or hidden size.
        InferenceError: the device cannot compile it.
    """
    spec = bundle.manifest.side_branch
    if spec is None:
        return None
    mask = read_mask(bundle.path_of(MASK_ROLE), spec=spec, vocab_size=bundle.manifest.backbone.vocab_size)
    path = bundle.path_of(f"{IR_STEM}.xml")
    picture, text_bias = split(runtime.read(path), manifest=bundle.manifest, spec=spec, name=path.name)
    return SideBranch(runtime.request(picture), text_bias=runtime.request(text_bias), spec=spec, mask=mask)


def read_mask(path: Path, *, spec: SideBranchSpec, vocab_size: int) -> NDArray[np.bool_]:
    """Read a vocabulary mask, bool[V], and hold it against its declaration.

    Raises:
        RejectedError: missing, another digest, not binary, or another number of ones.
        Incompatible: not one entry per token.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise RejectedError(f"the side branch's mask {path.name} cannot be read; fetch the bundle again") from exc
    found = hashlib.sha256(data).hexdigest()
    if found != spec.mask.sha256:
        raise RejectedError(
            f"{path.name} has sha256 {found[:16]}…, declared is {spec.mask.sha256[:16]}…; fetch it again"
        )
    if len(data) != vocab_size:
        raise Incompatible(f"{path.name} has {len(data)} entries, the vocabulary {vocab_size}; take this model's mask")
    mask = np.frombuffer(data, dtype=np.uint8)
    ones = int(np.count_nonzero(mask == 1))
    if ones + int(np.count_nonzero(mask == 0)) != vocab_size or ones != spec.mask.ones:
        raise RejectedError(f"{path.name} is not a mask of 0 and 1 with {spec.mask.ones} ones; build the bundle again")
    return np.asarray(mask == 1)


def split(model: ov.Model, *, manifest: Manifest, spec: SideBranchSpec, name: str) -> tuple[ov.Model, ov.Model]:
    """Check a side-branch IR against its declaration and return its two parts: picture, text bias.

    Args:
        model: as read.
        manifest: for the backbone's digest and hidden size.
        spec: the declaration.
        name: the file's, for messages.

    Raises:
        RejectedError: a tensor is missing, surplus or of another precision, or an output has another shape.
        Incompatible: it says that it was made for something else.
    """
    _check_binding(model, spec=spec, name=name)
    _check_weights(model, spec=spec, name=name)
    sizes = {PATCHES: spec.patch_features, EMBED: spec.embed_size, TONE: len(TONE_CLASSES), POOLED: spec.embed_size}
    sizes[HIDDEN] = manifest.backbone.hidden_size
    with translated(f"{name} lacks an input or output of a side branch; build the bundle again", error=RejectedError):
        ports = {key: model.input(key) if key in {PATCHES, POOLED} else model.output(key) for key in sizes}
    for key, size in sizes.items():
        width = ports[key].get_partial_shape()[-1].to_string()
        if width != str(size):
            raise Incompatible(f"{name}: {key} has width {width}, the manifest needs {size}; build the bundle again")
    node = {key: port.get_node() for key, port in ports.items()}
    return (
        ov.Model([node[EMBED], node[TONE]], [node[PATCHES]], f"{IR_STEM}.picture"),
        ov.Model([node[HIDDEN]], [node[POOLED]], f"{IR_STEM}.text_bias"),
    )


def linear_names(*, layers: int, experts: int) -> list[str]:
    """Return the module path of every linear of the structure: the names of the IR's MatMuls and of the checkpoint's keys."""
    head = ["distill_head.in_proj", "distill_head.skin_classifier.0", "distill_head.skin_classifier.2"]
    for layer in range(layers):
        above = f"distill_head.adapters.{layer}"
        head += [f"{above}.{router}" for router in ROUTERS]
        head += [f"{above}.experts.{expert}.net.{part}" for expert in range(experts) for part in (0, 2)]
    return [*head, "text_bias.0", "text_bias.2"]


def weight_type(linear: ov.Node) -> str:
    """Return the element type that a MatMul's weight is stored in (``i8``, ``f32``), or ``nothing`` without a weight."""
    source = linear.input_value(1).get_node()
    while source.get_type_name() in {"Convert", "Multiply", "Reshape"}:
        source = source.input_value(0).get_node()
    return str(source.get_element_type().get_type_name()) if source.get_type_name() == "Constant" else "nothing"


def _check_binding(model: ov.Model, *, spec: SideBranchSpec, name: str) -> None:
    expected = {"format": str(FORMAT_VERSION), "structure": spec.structure, "base_digest": spec.base_digest}
    for key, value in expected.items():
        path = [RT_INFO, key]
        found = str(model.get_rt_info(path).value) if model.has_rt_info(path) else "nothing"
        if found != value:
            raise Incompatible(f"{name} says {key} = {found}, its declaration says {value}; build the bundle again")


def _check_weights(model: ov.Model, *, spec: SideBranchSpec, name: str) -> None:
    """Refuse a missing, surplus or otherwise stored linear by name."""
    found = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "MatMul"}
    wanted = linear_names(layers=spec.layers, experts=spec.experts)
    for path in wanted:
        if path not in found:
            raise RejectedError(f"{name} lacks the tensor {path}.weight; build the bundle again")
    for path in sorted(set(found) - set(wanted)):
        raise RejectedError(f"{name} holds {path}, which is no part of a side branch; build the bundle again")
    for path in wanted:
        is_float = spec.precision == "f32" or path.rsplit(".", 1)[-1] in ROUTERS
        stored, declared = weight_type(found[path]), "f32" if is_float else "i8"
        if stored != declared:
            raise RejectedError(f"{name}: {path}.weight is {stored}, declared is {declared}; build the bundle again")
