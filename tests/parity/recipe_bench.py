"""What the recipe tests share: captured conversations of the random model, and its errors under any recipe."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nncf
import numpy as np
import openvino as ov
from PIL import Image

from calibration.compress import compress_part
from calibration.export import quiet_vendors
from calibration.grafted.captured import ArrayFile
from calibration.grafted.compression import compress_through_graft
from calibration.grafted.figures import AdapterError, Variant, measure
from calibration.recipe import Recipe, load_recipe
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.golden import CASES_NAME, GoldenCase, GoldenFile, GoldenSet
from edge_agent.inference.adapters import Adapter, Branch, Factor, read_adapter
from tests.parity.toy_model import picture

Errors = dict[str, AdapterError]


def make_cases(count: int) -> GoldenSet:
    """Return cases of two random pictures each, with the texts that the random model's agents read."""
    pictures = {f"{number}{side}.png": _png(10 * number + ord(side)) for number in range(count) for side in "ab"}
    cases = [
        GoldenCase(
            case_id=f"case-{number}",
            pictures=[f"{number}a.png", f"{number}b.png"],
            texts={"representation": "皮损鲜红 scale", "intake": "脉数 colour"},
        )
        for number in range(count)
    ]
    return GoldenSet(cases=tuple(cases), pictures=pictures)


def write_cases(cases: GoldenSet, folder: Path) -> Path:
    """Write cases as a checkpoint brings them along."""
    folder.mkdir()
    (folder / CASES_NAME).write_text(GoldenFile(cases=list(cases.cases)).model_dump_json(), encoding="utf-8")
    for name, data in cases.pictures.items():
        (folder / name).write_bytes(data)
    return folder


def _png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed)).save(buffer, "PNG")
    return buffer.getvalue()


def read_adapters(bundle: Bundle) -> list[Adapter]:
    """Read a bundle's adapters in the order of the gate's columns."""
    core = ov.Core()
    backbone = bundle.manifest.backbone
    return [
        read_adapter(core.read_model(bundle.path_of(f"adapter.{spec.name}.xml")), spec=spec, backbone=backbone)
        for spec in bundle.manifest.adapters
    ]


def louder(adapters: Sequence[Adapter], factor: float) -> list[Adapter]:
    """Return FP32 adapters whose branches add ``factor`` times as much."""
    return [
        Adapter(
            one.name,
            {
                path: Branch(b.a, Factor(b.b.dequantised() * np.float32(factor), None))
                for path, b in one.branches.items()
            },
        )
        for one in adapters
    ]


def another(adapter: Adapter, *, seed: int) -> Adapter:
    """Return an FP32 adapter of the same agent, as loud, with other random factors."""
    random = np.random.default_rng(seed)

    def like(factor: Factor) -> Factor:
        values = factor.dequantised()
        return Factor((random.standard_normal(values.shape) * values.std()).astype(np.float32), None)

    return Adapter(adapter.name, {path: Branch(like(b.a), like(b.b)) for path, b in adapter.branches.items()})


def int4_adapter(model: ov.Model, *, name: Adapter, group: int) -> Adapter:
    """Compress an FP32 adapter to symmetric INT4 with NNCF and return it as floats: what INT4 would compute."""
    with quiet_vendors():
        mode = nncf.CompressWeightsMode.INT4_SYM
        model = nncf.compress_weights(model, mode=mode, group_size=group, ratio=1.0, all_layers=True)
    branches = {}
    for result in model.get_results():
        b = result.input_value(0).get_node()
        a = b.input_value(0).get_node()
        path = b.get_friendly_name().removesuffix(".lora_B")
        branches[path] = Branch(_dequantised(a.input_value(1).get_node()), _dequantised(b.input_value(1).get_node()))
    return Adapter(name.name, branches)


def _dequantised(weight: ov.Node) -> Factor:
    """Multiply INT4 codes with their scales; two codes share a byte, the lower half first."""
    shape = list(weight.get_output_shape(0))
    while weight.get_type_name() != "Multiply":
        weight = weight.input_value(0).get_node()
    codes, scale = (_constant(weight.input_value(port).get_node()) for port in (0, 1))
    assert codes.get_element_type() == ov.Type.i4
    packed = np.array(codes.get_data()).view(np.uint8).reshape(-1)
    halves = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1).astype(np.int8)
    values = np.where(halves > 7, halves - 16, halves).reshape(codes.get_output_shape(0)).astype(np.float32)
    return Factor((values * np.array(scale.get_data(), dtype=np.float32)).reshape(shape), None)


def _constant(node: ov.Node) -> ov.Node:
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return node


@dataclass
class Bench:
    """The random model with captured conversations. Everything is computed once, one thread.

    ``trained``: FP32 adapters, in the order of the captured gates. ``built``: the same in INT8. ``later``: an adapter
    of Reasoning that no compression has seen.
    """

    source: Path
    trained: list[Adapter]
    built: list[Adapter]
    later: list[Adapter]
    inputs: ArrayFile
    folder: Path
    _errors: dict[str, Errors] = field(default_factory=dict)

    def compress(self, recipe: Recipe, *, adapters: Sequence[Adapter] | None = None, name: str = "") -> Path:
        """Compress the language model by a recipe, through the graft where it looks at activations."""
        target = self.folder / f"{name or recipe.name}.xml"
        if recipe.language_model.needs_data:
            seen = self.trained if adapters is None else adapters
            compress_through_graft(self.source, target, adapters=seen, inputs=self.inputs, recipe=recipe)
        else:
            compress_part("language_model", self.source, target, recipe=recipe)
        return target

    def errors(self, name: str) -> Errors:
        """Return the errors of a shipped recipe by label."""
        if name not in self._errors:
            self._errors[name] = self.compare(self.compress(load_recipe(name)), self.built)
        return self._errors[name]

    def compare(self, model: Path, built: Sequence[Adapter], *, trained: Sequence[Adapter] | None = None) -> Errors:
        """Compare a compressed language model and adapters with FP32."""
        expected = Variant(self.source, self.trained if trained is None else trained, self.later)
        rows = measure(expected, Variant(model, built, self.later), inputs=self.inputs, folder=self.folder, threads=1)
        return {row.label: row for row in rows}
