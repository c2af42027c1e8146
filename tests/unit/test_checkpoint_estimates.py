"""Estimates against what was measured: finished bundles, published cache sizes, real peaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration.checkpoint.architecture import Architecture, read_architecture
from calibration.checkpoint.estimates import Subject, check_resources, estimate_recipe
from calibration.checkpoint.factors import load_factors
from calibration.checkpoint.preflight import device_profiles
from calibration.checkpoint.shape import model_config
from calibration.checkpoint.shapes import SHAPES
from calibration.checkpoint.sizes import bundle_size, ir_bytes, kv_bytes_per_token
from calibration.checkpoint.workstation import Workstation, detect_workstation
from calibration.recipe import Recipe, load_recipe, recipe_folder
from device_profiles.loader import load_profile
from edge_agent.errors import ExportError

FACTORS = load_factors()
ROOT = Path(__file__).resolve().parents[2]
SCALE = ROOT / "scripts" / "scale"
REFERENCE = ROOT / "edge_agent" / "bundles" / "reference"


def arch_of(name: str, folder: Path) -> Architecture:
    """One of the published shapes."""
    (folder / "config.json").write_text(json.dumps(model_config(SHAPES[name])))
    return read_architecture(folder)


def int4(*, group: int = 64, ratio: float = 1.0, mode: str = "int4_sym") -> Recipe:
    """The INT4 recipe with another group size, ratio or mode."""
    document = load_recipe("int4-data-free").model_dump(exclude_unset=True)
    document["language_model"] |= {"group_size": group, "ratio": ratio, "mode": mode}
    if ratio < 1:
        document["language_model"]["sensitivity_metric"] = "weight_quantization_error"
    return Recipe.model_validate(document)


def test_sizes_of_the_3b_shape_are_those_measured(tmp_path: Path) -> None:
    """optimum-cli, INT4 with its default group of 128: language 1.74 GB, vision 0.67, embeddings 0.31."""
    size = bundle_size(arch_of("qwen2.5-vl-3b", tmp_path), int4(group=128), adapter_shapes=[], factors=FACTORS)
    assert size.language_model == pytest.approx(1.74e9, rel=0.01)
    assert size.vision == pytest.approx(0.67e9, rel=0.01)
    assert size.embeddings == pytest.approx(0.31e9, rel=0.01)


def test_sizes_of_the_reference_bundle_are_those_on_the_disk() -> None:
    """The shipped INT4 bundle, file by file; adapters within a hundredth, the rest within a thousandth."""
    arch = read_architecture(ROOT / "models" / "reference" / "base")
    shapes = [(217_088, 16)] * 3  # values in the three adapter_model.safetensors, and their rank
    size = bundle_size(arch, load_recipe("int4-data-free"), adapter_shapes=shapes, factors=FACTORS)
    held = {path.name: path.stat().st_size for path in REFERENCE.glob("*.bin")}
    assert size.language_model == pytest.approx(held["language_model.bin"], rel=0.001)
    assert size.vision == pytest.approx(held["vision_embeddings.bin"] + held["vision_merger.bin"], rel=0.001)
    assert size.embeddings == pytest.approx(held["text_embeddings.bin"], rel=0.001)
    adapters = sum(count for name, count in held.items() if name.startswith("adapter."))
    assert size.adapters == pytest.approx(adapters, rel=0.01)


def test_the_cache_of_the_7b_shape_has_the_published_size(tmp_path: Path) -> None:
    """57,344 bytes per token: 2 x 28 layers x 4 KV heads x 128 x 2 bytes."""
    assert kv_bytes_per_token(arch_of("qwen2.5-vl-7b", tmp_path), FACTORS) == 57_344


def test_running_memory_of_the_small_shape_is_near_the_measured_peak(tmp_path: Path) -> None:
    """1.015 GB at the 0.6b shape, INT4 with INT8 adapters (ADR 0017): the estimate may be above, by at most a quarter."""
    subject = Subject(arch_of("0.6b", tmp_path), (), 448 * 448)
    (device,) = estimate_recipe(subject, int4(), profiles=[load_profile("generic")], factors=FACTORS).devices
    assert 1.015e9 <= device.memory_bytes <= 1.27e9


@pytest.mark.parametrize("path", sorted(SCALE.glob("*.json")), ids=lambda path: path.stem)
def test_the_peak_of_a_build_is_the_measured_one(path: Path, tmp_path: Path) -> None:
    """Anonymous memory of whole builds with three adapters: never below the measured peak, at most a quarter above."""
    measured = json.loads(path.read_text())
    arch = arch_of(measured["shape"], tmp_path)
    recipe = int4(group=32, mode="int4_asym")
    build = estimate_recipe(Subject(arch, (), 448 * 448), recipe, profiles=[], factors=FACTORS).build
    peak = measured["steps"]["build"]["anonymous_bytes"]
    assert peak <= build.memory_bytes <= 1.25 * peak


@pytest.mark.parametrize(("ratio", "least", "most"), [(1.0, 0.53, 0.54), (0.0001, 1.0, 1.02), (0.5, 0.76, 0.78)])
def test_a_mixed_ratio_lies_between_int4_and_int8(ratio: float, least: float, most: float, tmp_path: Path) -> None:
    """Bytes per weight of the linears: 4 bits + a scale per 64, 8 bits + a scale and zero point per row, or half each."""
    arch = arch_of("qwen2.5-vl-7b", tmp_path)
    size = bundle_size(arch, int4(ratio=ratio), adapter_shapes=[], factors=FACTORS).language_model
    head = 152_064 * 3584  # INT8, whatever the ratio
    linears = 28 * (2 * 3584 * 3584 + 2 * 512 * 3584 + 3 * 18_944 * 3584)
    assert least < (size - head) / linears < most


def test_asymmetric_codes_carry_zero_points(tmp_path: Path) -> None:
    """Half a byte more per group of 64."""
    arch = arch_of("qwen2.5-vl-3b", tmp_path)
    sizes = [bundle_size(arch, int4(mode=m), adapter_shapes=[], factors=FACTORS) for m in ("int4_sym", "int4_asym")]
    linears = 36 * (2 * 2048 * 2048 + 2 * 256 * 2048 + 3 * 11_008 * 2048)
    assert sizes[1].language_model - sizes[0].language_model == pytest.approx(linears / 64 / 2, rel=0.001)


def test_a_tied_matrix_stands_in_two_irs(tmp_path: Path) -> None:
    """The FP32 export of the 3b shape: 4 bytes for each of its parameters, and its embeddings once more as lm_head."""
    assert ir_bytes(arch_of("qwen2.5-vl-3b", tmp_path), 4) == 4 * (3_754_622_976 + 151_936 * 2048)


def test_weights_of_one_type_are_mapped_and_of_several_copied(tmp_path: Path) -> None:
    """bf16 halves the exported files; two types mean a float32 copy in memory, which export and PyTorch both hold."""
    arch = arch_of("qwen2.5-vl-7b", tmp_path)
    half, wide, mixed = (
        estimate_recipe(Subject(arch, (), 448 * 448, stored), int4(), profiles=[], factors=FACTORS).build
        for stored in (("BF16",), ("F32",), ("BF16", "F32"))
    )
    assert wide.disk_bytes - half.disk_bytes == ir_bytes(arch, 2)
    assert half.memory_bytes == wide.memory_bytes
    assert mixed.memory_bytes > 4 * 8_292_166_656


def test_every_recipe_has_an_estimate_for_every_profile(tmp_path: Path) -> None:
    """Also recipes that are added later: the build comes first, then each profile that a device may have."""
    subject = Subject(arch_of("reference", tmp_path), (), 19_600)
    for path in recipe_folder().glob("*.toml"):
        found = estimate_recipe(subject, load_recipe(path.stem), profiles=device_profiles(), factors=FACTORS)
        assert [device.profile for device in found.devices] == [profile.name for profile in device_profiles()]
        assert min(found.build.seconds, found.build.memory_bytes, found.build.disk_bytes, found.size.total) > 0
    assert "tiny" not in [profile.name for profile in device_profiles()]


def test_recipes_that_run_the_cases_cost_more(tmp_path: Path) -> None:
    """The same bytes on the device; GPTQ and scale estimation need the FP32 decoder in memory, and their time."""
    subject = Subject(arch_of("qwen2.5-vl-3b", tmp_path), (), 448 * 448)
    free, estimated, gptq = (
        estimate_recipe(subject, load_recipe(name), profiles=[], factors=FACTORS)
        for name in ("int4-data-free", "int4-se", "int4-gptq")
    )
    assert free.size == estimated.size == gptq.size
    assert free.build.seconds < estimated.build.seconds < gptq.build.seconds
    decoder = 36 * 77_070_336 * 4  # linears of a layer, float32
    assert gptq.build.memory_bytes > estimated.build.memory_bytes > decoder > free.build.memory_bytes
    assert estimated.build.memory_stage == gptq.build.memory_stage == "calibration cases"


def test_what_exceeds_a_profile_is_said(tmp_path: Path) -> None:
    """The 7b shape on the smallest computer: memory, time and disk, each with both figures."""
    subject = Subject(arch_of("qwen2.5-vl-7b", tmp_path), (), 1_003_520)
    (device,) = estimate_recipe(subject, int4(), profiles=[load_profile("generic")], factors=FACTORS).devices
    assert device.shortfall is not None
    parts = device.shortfall.split("; ")
    assert [part.split(" ")[0] for part in parts] == ["memory", "time", "disk"]
    assert "of 1.5 GB" in parts[0]


def test_resources_are_refused_only_where_they_are_short(tmp_path: Path) -> None:
    """Exactly enough passes; one byte less of either is refused with its own line."""
    subject = Subject(arch_of("qwen2.5-vl-7b", tmp_path), (), 1_003_520)
    estimate = estimate_recipe(subject, int4(), profiles=[], factors=FACTORS)
    memory, disk = estimate.build.memory_bytes, estimate.build.disk_bytes
    check_resources(estimate, Workstation(memory, disk, 2))
    with pytest.raises(ExportError, match="of memory"):
        check_resources(estimate, Workstation(memory - 1, disk, 2))
    with pytest.raises(ExportError, match="of free disk"):
        check_resources(estimate, Workstation(memory, disk - 1, 2))


def test_every_factor_names_its_source() -> None:
    """A number without a source is a guess that nobody can check: measured, assumed, or a fact of a format."""
    assert set(FACTORS.values) == set(FACTORS.sources)
    assert all(len(source) > 20 for source in FACTORS.sources.values())
    assert all(value > 0 for value in FACTORS.values.values())


def test_the_workstation_is_read_where_the_build_writes(tmp_path: Path) -> None:
    """A folder that does not exist yet is judged by its nearest parent."""
    found = detect_workstation(tmp_path / "not" / "yet" / "there")
    assert found.disk_free_bytes > 0
    assert found.memory_available_bytes > 0
    assert found.cpu_count >= 1
