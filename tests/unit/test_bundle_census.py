"""The census finds every weight's precision, and any difference from the recipe fails the build."""

from __future__ import annotations

from pathlib import Path

import openvino as ov
import pytest

from calibration.census import bundle_tensors, check_language_model, check_model, count_constants, weight_tensors
from calibration.compress import compress_part
from calibration.recipe import Recipe, load_recipe
from edge_agent.errors import CompressionError
from tests.simulators.linears import HIDDEN, LINEARS, small_language_model


def changed(recipe: Recipe, **language_model: object) -> Recipe:
    """Return the recipe with another language-model section."""
    return recipe.model_copy(update={"language_model": recipe.language_model.model_copy(update=language_model)})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the small model as an FP32 IR."""
    ov.save_model(small_language_model(), tmp_path / "source.xml", compress_to_fp16=False)
    return tmp_path / "source.xml"


def test_int4_recipe_gives_int4_linears_and_an_int8_head(source: Path, tmp_path: Path) -> None:
    """Under the INT4 recipe the decoder's linears are u4 in groups of 32, and the head is u8 per row."""
    compress_part("language_model", source, tmp_path / "out.xml", recipe=load_recipe("int4"))
    found = {t.name: t for t in weight_tensors(ov.Core().read_model(tmp_path / "out.xml"), part="language_model")}
    for name in LINEARS:
        tensor = found[f"self.model.layers.0.mlp.{name}.weight"]
        assert (tensor.element_type, tensor.group_size, tensor.elements) == ("u4", 32, HIDDEN * HIDDEN)
    assert found["self.lm_head.weight"].element_type == "u8"


def test_fp32_recipe_changes_no_weight(source: Path, tmp_path: Path) -> None:
    """Under the FP32 recipe every weight keeps its bytes; in particular nothing becomes f16 when it is saved."""
    compress_part("language_model", source, tmp_path / "out.xml", recipe=load_recipe("fp32"))
    assert (tmp_path / "out.bin").stat().st_size == source.with_suffix(".bin").stat().st_size
    types = {t.element_type for t in weight_tensors(ov.Core().read_model(tmp_path / "out.xml"), part="x")}
    assert types == {"f32"}


def test_census_counts_bytes_of_packed_types(source: Path, tmp_path: Path) -> None:
    """Two INT4 weights take half a byte each in the manifest's rows."""
    symmetric = changed(load_recipe("int4"), mode="int4_sym")  # without zero points, which are INT4 constants too
    rows = compress_part("language_model", source, tmp_path / "out.xml", recipe=symmetric)
    (row,) = [row for row in rows if row.element_type == "i4"]
    assert (row.tensors, row.elements, row.bytes) == (2, 2 * HIDDEN * HIDDEN, HIDDEN * HIDDEN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "int4_sym"}, "is u4, the recipe declares i4"),
        ({"mode": "int8_asym"}, "is u4, the recipe declares u8"),
        ({"mode": "none"}, "is u8, the recipe declares f32"),
        ({"group_size": 64}, "has group size 32, the recipe declares 64"),
        ({"backup_mode": "int8_sym"}, "lm_head.weight is u8, the recipe declares i8"),
        ({"ratio": 0.2}, "1.000 of the decoder's weights"),
    ],
)
def test_any_difference_from_the_recipe_fails_and_names_it(
    source: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    """A model compressed by one recipe fails the census of every other recipe."""
    compress_part("language_model", source, tmp_path / "out.xml", recipe=load_recipe("int4"))
    tensors = weight_tensors(ov.Core().read_model(tmp_path / "out.xml"), part="language_model")
    with pytest.raises(CompressionError, match=message):
        check_language_model(tensors, recipe=changed(load_recipe("int4"), **change).language_model)


def test_a_head_that_was_to_be_int4_too_is_missed(source: Path, tmp_path: Path) -> None:
    """``all_layers`` makes lm_head one of the linears: an INT8 head then differs from the declaration."""
    compress_part("language_model", source, tmp_path / "out.xml", recipe=load_recipe("int4"))
    tensors = weight_tensors(ov.Core().read_model(tmp_path / "out.xml"), part="language_model")
    with pytest.raises(CompressionError, match=r"lm_head.weight is u8, the recipe declares u4"):
        check_language_model(tensors, recipe=changed(load_recipe("int4"), all_layers=True).language_model)


def test_all_layers_makes_the_head_int4(source: Path, tmp_path: Path) -> None:
    """Under ``all_layers`` NNCF compresses lm_head like the linears, and the census agrees."""
    compress_part("language_model", source, tmp_path / "out.xml", recipe=changed(load_recipe("int4"), all_layers=True))
    found = weight_tensors(ov.Core().read_model(tmp_path / "out.xml"), part="language_model")
    assert {(t.element_type, t.group_size) for t in found} == {("u4", 32)}


def test_every_weight_of_a_bundle_is_listed_for_a_report(source: Path, tmp_path: Path) -> None:
    """Name, type, group and bytes of each tensor, part by part."""
    (tmp_path / "bundle").mkdir()
    compress_part("language_model", source, tmp_path / "bundle" / "language_model.xml", recipe=load_recipe("int4"))
    rows = {t.name: (t.part, t.element_type, t.group_size, t.bytes) for t in bundle_tensors(tmp_path / "bundle")}
    assert rows["self.model.layers.0.mlp.q_proj.weight"] == ("language_model", "u4", 32, HIDDEN * HIDDEN // 2)
    assert rows["self.lm_head.weight"] == ("language_model", "u8", -1, 300 * HIDDEN)


def test_a_recipe_that_needs_data_is_not_run_without(source: Path, tmp_path: Path) -> None:
    """The data-free path refuses it instead of compressing by weights alone."""
    with pytest.raises(CompressionError, match="int4-se looks at activations"):
        compress_part("language_model", source, tmp_path / "out.xml", recipe=load_recipe("int4-se"))
    assert not (tmp_path / "out.xml").exists()


def test_compressing_twice_is_refused(source: Path, tmp_path: Path) -> None:
    """NNCF would return a compressed model unchanged and say nothing."""
    compress_part("language_model", source, tmp_path / "once.xml", recipe=load_recipe("int8"))
    with pytest.raises(CompressionError, match="already compressed"):
        compress_part("language_model", tmp_path / "once.xml", tmp_path / "twice.xml", recipe=load_recipe("int4"))


def test_group_size_that_does_not_divide_fails_the_build(source: Path, tmp_path: Path) -> None:
    """A group size that the shape cannot carry is an error, never another precision in silence."""
    with pytest.raises(CompressionError):
        compress_part(
            "language_model", source, tmp_path / "out.xml", recipe=changed(load_recipe("int4"), group_size=96)
        )


def test_compression_repeats_byte_for_byte_in_one_process(source: Path, tmp_path: Path) -> None:
    """No counter of the process, no time and no path gets into the files."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        compress_part("language_model", source, tmp_path / name / "m.xml", recipe=load_recipe("int4"))
    for suffix in ("xml", "bin"):
        assert (tmp_path / "a" / f"m.{suffix}").read_bytes() == (tmp_path / "b" / f"m.{suffix}").read_bytes()


def test_part_without_weights_is_refused() -> None:
    """An export whose weights are not found must not pass as compressed."""
    with pytest.raises(CompressionError, match="no weight at all"):
        check_model("vision_merger", [], recipe=load_recipe("int8"))


def test_every_constant_is_counted() -> None:
    """The rows cover weights and all other constants."""
    rows = count_constants(small_language_model(), part="language_model")
    assert [(row.element_type, row.tensors) for row in rows] == [("f32", 3)]
