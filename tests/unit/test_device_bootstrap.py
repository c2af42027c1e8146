"""Which device is chosen and why, without loading any; and how each rung's child is started."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.loader import load_profile
from edge_agent.bootstrap import child_settings, engine_wish
from edge_agent.config import Config
from edge_agent.contracts.manifest import Manifest
from edge_agent.device_bootstrap import Devices, build_ladder, candidate_settings, candidate_wish, choose, soak_sides
from edge_agent.devices.candidates import CANDIDATES, candidate_of
from edge_agent.devices.facts import Surroundings
from edge_agent.devices.verdict import FILE_NAME, Verdicts
from edge_agent.engine_bootstrap import EngineWish
from edge_agent.inference.runtime import EngineSettings
from edge_agent.inference.worker import _parser as child_parser
from tests.simulators.cases import manifest
from tests.simulators.recorded_computer import N100, ULTRA
from tests.simulators.second_device import devices, stand_in, surroundings


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A cart."""
    return Config(state_dir=tmp_path / "state", profile="core-ultra")


def reason(config: Config, known: Devices, held: Manifest | None = None) -> str:
    """Return why the cart's graphics may not run cases."""
    choice = choose(config, held or manifest(), devices=known)
    assert choice is not None
    return choice.reason


def earn(config: Config, known: Devices) -> None:
    """Write the verdict that a soak test of these devices would write."""
    choice = choose(config, manifest(), devices=known)
    assert choice is not None
    choice.verdicts.begin_test("GPU", choice.key)
    choice.verdicts.end_test(choice.key, reasons=(), figures={})


def test_a_profile_of_one_device_chooses_nothing(tmp_path: Path) -> None:
    """Nothing is read and nothing is said."""
    assert choose(Config(state_dir=tmp_path, profile="n100"), manifest()) is None


def test_a_computer_without_graphics_says_so_in_one_line(config: Config, tmp_path: Path) -> None:
    """device_order names GPU, the computer has none: the CPU runs, and the line says why and what to do."""
    ULTRA.with_(igpu=None).write(tmp_path)
    choice = choose(config, manifest(), devices=Devices(CANDIDATES, Surroundings(tmp_path)))
    assert choice is not None
    assert choice.line.startswith("GPU: this computer shows no graphics of its processor (/dev/dri/renderD*)")
    assert choice.line.endswith("; cases run on the CPU")
    assert "\n" not in choice.line


def test_a_driver_that_nobody_can_tell_apart_is_not_used(config: Config, tmp_path: Path) -> None:
    """A verdict would outlive the next driver."""
    ULTRA.write(tmp_path)
    assert "driver's version cannot be read" in reason(config, Devices(CANDIDATES, Surroundings(tmp_path)))


def test_the_way_to_a_place(config: Config, tmp_path: Path) -> None:
    """No verdict: the CPU, with what to do; an earned one: the device."""
    known = devices(tmp_path, stand_in())
    assert reason(config, known) == "it has not earned its place: run derm-edge device soak"
    earn(config, known)
    assert reason(config, known) == ""


@pytest.mark.parametrize("part", ["kernel", "openvino", "program"])
def test_another_version_ends_the_verdict(config: Config, tmp_path: Path, part: str) -> None:
    """Read from this computer at every start."""
    earn(config, devices(tmp_path, stand_in()))
    other = Devices({"GPU": stand_in()}, surroundings(tmp_path, **{part: "9.9"}))
    assert f"{part} was " in reason(config, other)
    assert " at the soak test and is 9.9" in reason(config, other)


def test_another_driver_ends_the_verdict(config: Config, tmp_path: Path) -> None:
    """As the package manager tells it."""
    known = devices(tmp_path, stand_in())
    earn(config, known)
    status = tmp_path / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("24.35", "24.39"))
    assert "driver was i915; intel-opencl-icd 24.35.30872.22" in reason(config, known)


def test_another_bundle_ends_the_verdict(config: Config, tmp_path: Path) -> None:
    """The same name and version with one other value in its manifest, which lists every file, is another bundle."""
    known = devices(tmp_path, stand_in())
    earn(config, known)
    held = manifest()
    golden = held.golden.model_copy(update={"min_agreement": held.golden.min_agreement / 2})
    changed = held.model_copy(update={"golden": golden})
    assert "bundle was " in reason(config, known, changed)


def test_an_edited_profile_ends_the_verdict(tmp_path: Path) -> None:
    """The name alone does not say in what is computed."""
    profile = load_profile("core-ultra")
    edited = profile.model_copy(update={"inference": profile.inference.model_copy(update={"kv_precision": "u8"})})
    facts = surroundings(tmp_path)
    assert facts.key(profile, manifest()).profile != facts.key(edited, manifest()).profile


def test_the_shipped_table_knows_every_device_that_a_profile_may_name() -> None:
    """GPU under its own name, in half precision, with threads left to the plugin."""
    gpu = candidate_of(load_profile("core-ultra"))
    assert gpu is not None
    assert (gpu.openvino_device, gpu.arithmetic.precision, gpu.threads) == ("GPU", "f16", 0)
    assert gpu.arguments == ()
    assert candidate_of(load_profile("generic")) is None


@pytest.mark.parametrize(("device", "is_there"), [("CPU", True), ("GPU", False)])
def test_threads_are_the_cpus_alone(device: str, is_there: bool) -> None:
    """The GPU plugin refuses to compile with a property that it does not know."""
    properties = EngineSettings(device=device, threads=4, strict=True).properties()
    assert ("INFERENCE_NUM_THREADS" in properties) is is_there


def test_the_candidates_child_gets_its_own_arithmetic(config: Config) -> None:
    """Not the profile's, which is the CPU's."""
    gpu = CANDIDATES["GPU"]
    settings = candidate_settings(config, candidate_wish(engine_wish(config), gpu), gpu)
    options = child_parser().parse_args(settings.arguments)
    assert (options.device, options.name, options.precision, options.kv_precision) == ("GPU", "GPU", "f16", "f16")
    assert (options.activation_group_size, options.threads, options.careful) == (0, 0, False)
    assert (settings.rung, settings.module) == ("GPU", "edge_agent.inference.worker")


def test_the_careful_rung_computes_in_f32_without_optimisations(config: Config) -> None:
    """What the bundle's strict bounds hold for, and nothing that could be at fault beside it."""
    wish = replace(engine_wish(config), is_careful=True)
    settings = child_settings(config, wish)
    assert settings.rung == "CPU, careful"
    assert child_parser().parse_args(settings.arguments).careful
    engine = wish.settings()
    assert (engine.strict, engine.reuse_prefix, engine.skip_forced, engine.batch_views) == (True, False, False, False)
    assert not any((engine.split_windows, engine.stack_projections, engine.share_a))
    assert engine.gather_head  # memory is not what was at fault
    assert engine.prefill_chunk is not None
    assert engine.properties()["INFERENCE_PRECISION_HINT"] == "f32"


def test_the_usual_rung_is_as_the_profile_says(config: Config) -> None:
    """The switch is off unless somebody asks for it."""
    assert EngineWish(Path("b"), Path("k"), "CPU", 2).settings() == EngineSettings(device="CPU", threads=2)
    assert "--careful" not in child_settings(config, engine_wish(config)).arguments


def test_the_ladder_tells_at_once_what_it_cannot_use(config: Config, tmp_path: Path) -> None:
    """Without a verdict there is no second rung, and one line says so."""
    steps: list[tuple[str, str, str]] = []
    ladder = build_ladder(
        config,
        manifest(),
        stop=threading.Event(),
        on_step=lambda *one: steps.append(one),
        devices=devices(tmp_path, stand_in()),
    )
    assert ladder.rung == "CPU"
    assert steps == [("GPU", "CPU", "it has not earned its place: run derm-edge device soak")]


def test_the_sides_of_a_soak_test_differ_in_the_device_alone(config: Config) -> None:
    """Both soak, both strict where strictness is asked for."""
    on_candidate, on_cpu = soak_sides(config, CANDIDATES["GPU"])
    for is_strict in (True, False):
        for make, device in ((on_candidate, "GPU"), (on_cpu, "CPU")):
            options = child_parser().parse_args(make(is_strict)._settings.arguments)
            assert (options.device, options.soak, options.careful) == (device, True, is_strict)


def test_a_verdict_lies_in_the_state_folder(config: Config, tmp_path: Path) -> None:
    """Where the rest of the device's state is, and where no other device looks."""
    earn(config, devices(tmp_path, stand_in()))
    assert Verdicts(config.state_dir / FILE_NAME).read() is not None


def test_a_kiosks_graphics_are_not_asked_for(tmp_path: Path) -> None:
    """A profile that names no GPU does not use one that is there."""
    N100.write(tmp_path)
    known = Devices({"GPU": stand_in()}, Surroundings(tmp_path))
    assert choose(Config(state_dir=tmp_path, profile="n100"), manifest(), devices=known) is None
