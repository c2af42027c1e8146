"""A whole build of a random small checkpoint, from Hugging Face and PEFT folders to a signed bundle."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calibration.cli import main
from calibration.export import content_digest
from calibration.gates import check_gates
from calibration.recipe import load_recipe, recipe_folder
from calibration.reference import agents_spec
from calibration.sign import development_key
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.golden import CASES_NAME, read_golden
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.errors import ConfigError, ExportError, QualityGateError
from tests.simulators.checkpoint import AGENTS, write_adapters, write_base
from tests.simulators.declaration import write_declared


@dataclass(frozen=True)
class Checkpoint:
    """A random checkpoint, its adapters, and a recipe whose gates suit random weights."""

    base: Path
    adapters: dict[str, Path]
    recipe: Path

    def arguments(self, out: Path) -> list[str]:
        """Return the build's arguments."""
        adapters = [f"--adapter={name}={folder}" for name, folder in self.adapters.items()]
        return ["build", f"--base={self.base}", *adapters, f"--recipe={self.recipe}", f"--out={out}"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Write the checkpoint once."""
    folder = tmp_path_factory.mktemp("checkpoint")
    texts = [
        *agents_spec.PROMPTS.values(),
        *(json.dumps(s(), separators=(",", ":")) for s in agents_spec.SCHEMAS.values()),
    ]
    base = write_base(folder / "base", texts)
    write_declared(base)
    # Random logits lie close together: the shipped INT4 gates would judge the dice, not the build.
    recipe = (recipe_folder() / "int4-data-free.toml").read_text(encoding="utf-8").split("[gates]")[0]
    recipe += "[gates]\ncanary_max_of_range = 0.3\ncanary_min_argmax = 0.2\ngolden_min_agreement = 0.3\n"
    (folder / "loose.toml").write_text(recipe, encoding="utf-8")
    return Checkpoint(base, write_adapters(folder / "adapters", base), folder / "loose.toml")


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    """Build and sign once, through the command line."""
    out = tmp_path_factory.mktemp("out") / "bundle"
    assert main([*checkpoint.arguments(out), f"--key={development_key()}"]) == 0
    yield open_bundle(out, keys=load_keys(shipped_key_folder()))


def test_build_gives_a_bundle_that_a_device_opens(bundle: Bundle) -> None:
    """Two commands' worth of work ends in a verified bundle with three adapters bound to its backbone."""
    assert bundle.signed_by == "development key"
    assert {adapter.name for adapter in bundle.manifest.adapters} == set(AGENTS)
    kinds = {adapter.name: adapter.activation.kind for adapter in bundle.manifest.adapters}
    assert kinds == {"recognition": "always", "representation": "invocation", "reasoning": "always"}
    assert all(len(adapter.target_modules) == 14 for adapter in bundle.manifest.adapters)  # 7 linears, 2 layers


def test_census_is_in_the_manifest(bundle: Bundle) -> None:
    """The manifest says how many weights have which type: 14 INT4 linears with their zero points, INT8 elsewhere."""
    tensors = {(row.part, row.element_type): row.tensors for row in bundle.manifest.census}
    assert tensors["language_model", "u4"] == 28  # codes and zero points
    assert tensors["text_embeddings", "u8"] == 2  # codes and zero points
    assert ("vision_merger", "u8") in tensors
    for agent in AGENTS:
        assert tensors[f"adapter.{agent}", "i8"] == 28  # two factors of 14 linears


def test_imports_are_recorded(bundle: Bundle) -> None:
    """recipe.json and the manifest say what was read of every adapter: all of it, and for this backbone."""
    document = json.loads(bundle.path_of("recipe").read_text(encoding="utf-8"))
    assert {one["adapter"]: one["coverage"] for one in document["imports"]} == dict.fromkeys(AGENTS, 1.0)
    assert {one["base_digest"] for one in document["imports"]} == {bundle.manifest.backbone.content_digest}
    techniques = {one["adapter"]: one["technique"] for one in document["imports"]}
    assert techniques == {"recognition": "LoRA", "representation": "activated LoRA", "reasoning": "LoRA"}
    assert bundle.manifest.recipe == document


def test_golden_cases_carry_decisions_for_every_request(bundle: Bundle) -> None:
    """Recognition has one answer per picture, the others one per case; every decided field is in its schema."""
    golden = read_golden(bundle.path_of("golden"))
    assert [len(case.expected["recognition"]) for case in golden.cases] == [2, 1]
    assert [len(case.expected["representation"]) for case in golden.cases] == [1, 1]
    for answer in golden.cases[0].expected["recognition"]:
        for field, value in answer["describe"].items():
            allowed = agents_spec.REC_VALUES[field]
            assert (value[0] if isinstance(value, list) else value) in allowed


def test_canary_shows_every_adapter_and_the_bare_backbone(bundle: Bundle) -> None:
    """The expected logits under each adapter differ from the bare backbone's on the same prompt."""
    with np.load(bundle.path_of("canary")) as archive:
        assert {name.split(".")[0] for name in archive.files} == {*AGENTS, "bare"}
        for agent in ("recognition", "reasoning"):
            difference = np.abs(archive[f"{agent}.1.logits"] - archive["bare.1.logits"]).max()
            assert difference > 0.05


def test_building_again_gives_the_same_bytes(bundle: Bundle, checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The same folders give the same bundle byte for byte, in the same process and elsewhere on the disk."""
    elsewhere = Checkpoint(shutil.copytree(checkpoint.base, tmp_path / "moved"), checkpoint.adapters, checkpoint.recipe)
    assert main([*elsewhere.arguments(tmp_path / "again"), f"--key={development_key()}"]) == 0
    names = sorted(path.name for path in bundle.path.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    differing = [n for n in names if (bundle.path / n).read_bytes() != (tmp_path / "again" / n).read_bytes()]
    assert differing == []


def test_a_bundle_without_a_second_turn_states_no_bounds_for_one(bundle: Bundle) -> None:
    """``recipe.json`` holds the bounds that were judged; the text bundle's are in tests/e2e/test_text_case.py."""
    gates = json.loads((bundle.path / "recipe.json").read_text(encoding="utf-8"))["gates"]
    assert "golden_min_agreement" in gates
    assert not [name for name in gates if name.startswith("coder_")]


def test_gate_finds_an_adapter_that_does_nothing(bundle: Bundle, checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Planted damage: an adapter whose weights became zero loads without complaint; the canary finds it."""
    folder = shutil.copytree(bundle.path, tmp_path / "damaged")
    weights = folder / "adapter.reasoning.bin"
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(QualityGateError, match="reasoning: logits differ by"):
        check_gates(folder, manifest=bundle.manifest, recipe=load_recipe(str(checkpoint.recipe)))


def test_gate_finds_exchanged_adapters(bundle: Bundle, checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Planted damage: two adapters exchanged behind the manifest's back are refused."""
    folder = shutil.copytree(bundle.path, tmp_path / "exchanged")
    for kind in ("xml", "bin"):
        left, right = folder / f"adapter.recognition.{kind}", folder / f"adapter.reasoning.{kind}"
        text = left.read_bytes()
        left.write_bytes(right.read_bytes())
        right.write_bytes(text)
    with pytest.raises(QualityGateError, match="the device's engine refuses the bundle"):
        check_gates(folder, manifest=bundle.manifest, recipe=load_recipe(str(checkpoint.recipe)))


def test_gate_finds_decisions_that_differ(bundle: Bundle, checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Planted damage: golden cases that expect what the model never says end the build, however good the logits."""
    folder = shutil.copytree(bundle.path, tmp_path / "other-decisions")
    path = folder / bundle.manifest.golden.file
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members[CASES_NAME])
    for steps in (steps for case in document["cases"] for answers in case["expected"].values() for steps in answers):
        for fields in steps.values():
            fields.update(dict.fromkeys(fields, "planted"))
    members[CASES_NAME] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(QualityGateError, match=r"0 of \d+ golden decisions are equal, 30.0% are asked"):
        check_gates(folder, manifest=bundle.manifest, recipe=load_recipe(str(checkpoint.recipe)))


def test_gate_that_fails_leaves_no_bundle(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe whose gate asks the impossible ends with its exit code and without any file."""
    strict = tmp_path / "strict.toml"
    text = checkpoint.recipe.read_text(encoding="utf-8")
    assert "canary_max_of_range = 0.3\n" in text
    strict.write_text(text.replace("canary_max_of_range = 0.3\n", "canary_max_of_range = 0.001\n"), encoding="utf-8")
    out = tmp_path / "out" / "bundle"
    assert main(Checkpoint(checkpoint.base, checkpoint.adapters, strict).arguments(out)) == QualityGateError.exit_code
    assert "logits differ by" in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


def test_adapter_of_another_backbone_is_refused_at_once(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """An adapter folder that names another backbone's digest is refused before the export starts."""
    other = shutil.copytree(checkpoint.adapters["reasoning"], tmp_path / "reasoning")
    (other / "base.sha256").write_text("0" * 64)
    mixed = Checkpoint(checkpoint.base, {**checkpoint.adapters, "reasoning": other}, checkpoint.recipe)
    assert main(mixed.arguments(tmp_path / "x")) == ExportError.exit_code
    assert not (tmp_path / "x").exists()


def test_an_adapter_with_a_missing_layer_is_found_before_the_export(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a file lacks is said in a moment, by tensor, and no bundle is left."""
    other = shutil.copytree(checkpoint.adapters["reasoning"], tmp_path / "reasoning")
    weights = other / "adapter_model.safetensors"
    save_file({key: value for key, value in load_file(weights).items() if ".layers.1." not in key}, weights)
    mixed = Checkpoint(checkpoint.base, {**checkpoint.adapters, "reasoning": other}, checkpoint.recipe)
    assert main(mixed.arguments(tmp_path / "x")) == ExportError.exit_code
    said = capsys.readouterr().err
    assert "nothing for layer 1" in said
    assert "export" not in said
    assert not (tmp_path / "x").exists()


def test_adapters_given_to_the_wrong_agent_are_refused_at_once(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Two adapters of one backbone, exchanged on the command line: every number would fit, so the label decides."""
    folders = {}
    for agent, folder in checkpoint.adapters.items():
        folders[agent] = shutil.copytree(folder, tmp_path / agent)
        (folders[agent] / "agent.txt").write_text(f"{agent}\n")
    mixed = {**folders, "recognition": folders["reasoning"], "reasoning": folders["recognition"]}
    out = tmp_path / "x"
    assert main(Checkpoint(checkpoint.base, mixed, checkpoint.recipe).arguments(out)) == ExportError.exit_code
    assert not out.exists()


def test_a_wrong_key_is_found_before_the_work(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A build that cannot be signed at the end does not start: no step is announced."""
    arguments = [*checkpoint.arguments(tmp_path / "x"), "--key", str(tmp_path / "missing.pem")]
    assert main(arguments) == ConfigError.exit_code
    assert not (tmp_path / "x").exists()
    assert "export" not in capsys.readouterr().err


def test_content_digest_depends_on_weights_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Sharding, file names and metadata do not change the digest; one bit of one weight does."""
    tensors = load_file(checkpoint.base / "model.safetensors")
    names = sorted(tensors)
    save_file({n: tensors[n] for n in names[::2]}, tmp_path / "part-2.safetensors", metadata={"x": "y"})
    save_file({n: tensors[n] for n in names[1::2]}, tmp_path / "part-1.safetensors")
    assert content_digest(tmp_path) == content_digest(checkpoint.base)
    tensors[names[0]].view(np.uint32).flat[0] ^= 1
    save_file({n: tensors[n] for n in names[::2]}, tmp_path / "part-2.safetensors")
    assert content_digest(tmp_path) != content_digest(checkpoint.base)
