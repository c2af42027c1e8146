"""``derm-edge profile``: what a person reads, what a program reads, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device_profiles.loader import load_profile
from edge_agent.bootstrap import child_settings, engine_wish
from edge_agent.cli import run
from edge_agent.commands.capture import _wanted
from edge_agent.commands.doctor import _check_bundle as check_bundle
from edge_agent.commands.doctor import _check_profile as check_profile
from edge_agent.config import CaptureConfig, Config
from edge_agent.engine_bootstrap import Arithmetic, EngineWish
from edge_agent.errors import Incompatible
from edge_agent.inference.worker import _parser as child_parser
from tests.simulators.recorded_computer import CELERON, N100, RecordedComputer


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose state lies in the test's folder."""
    path = tmp_path / "config.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    return path


def detected(computer: RecordedComputer, config: Path, *words: str) -> int:
    """Run ``profile detect`` on a recorded computer."""
    root = computer.write(config.parent / "recorded")
    return run(["--config", str(config), "profile", "detect", "--root", str(root), *words])


def test_detect_names_the_profile_and_what_to_write(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The processor, the choice, a reason against each other one, and the line for the configuration."""
    assert detected(N100.with_(battery=55), config) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "processor  Intel(R) N100, 4 usable cores"
    assert "power      mains, battery 55 %, hottest zone 41 degrees" in lines
    assert any(line.startswith("profile    n100 (Kiosk") and "names this processor" in line for line in lines)
    assert sum(line.startswith("not        ") for line in lines) == 6
    assert lines[-1] == 'configured generic; to change it, set profile = "n100" in the configuration'


def test_detect_is_silent_about_a_profile_that_is_set(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left to do."""
    config.write_text(config.read_text() + 'profile = "n100"\n')
    assert detected(N100, config) == 0
    assert "configured" not in capsys.readouterr().out


def test_detect_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same facts for a program."""
    assert detected(N100, config, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["profile"], facts["configured"]) == ("n100", "generic")
    assert facts["host"]["power"]["is_on_mains"] is True
    assert "avx2" in facts["host"]["cpu_flags"]
    assert facts["others"]["xeon"]


def test_a_processor_without_avx2_ends_with_its_name(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 77: the right program on the wrong device."""
    assert detected(CELERON, config) == 77
    assert "J1900" in capsys.readouterr().err


def test_a_cap_below_avx2_is_refused_on_this_computer(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With ONEDNN_MAX_CPU_ISA=SSE41 any computer is one without AVX2: detect says so, and doctor's first line."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    words = "ONEDNN_MAX_CPU_ISA=SSE41 takes AVX2 away"
    assert run(["--config", str(config), "profile", "detect"]) == 77
    assert words in capsys.readouterr().err
    with pytest.raises(Incompatible, match=words):
        check_profile(Config(state_dir=config.parent))


def test_a_computer_of_no_class_is_an_error(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 10, with the first reason of each profile."""
    assert detected(N100.with_(memory_kib=500_000), config) == 10
    assert "generic: 0.5 GB of memory, the profile needs 2.0 GB" in capsys.readouterr().err


def test_show_prints_every_value_with_its_source(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, readable."""
    assert run(["--config", str(config), "profile", "show", "n305"]) == 0
    out = capsys.readouterr().out
    profile = load_profile("n305")
    for name, source in profile.sources.items():
        assert name in out
        assert source in out
    assert "9,000,000,000" in out


def test_show_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Value and source by dotted name; the configured profile where none is named."""
    assert run(["--config", str(config), "profile", "show", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "generic"
    assert facts["values"]["inference.threads"] == {"value": 2, "source": "the least core count of this profile"}


def test_an_unknown_profile_is_a_mistake_in_the_words(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 10 and a suggestion."""
    assert run(["--config", str(config), "profile", "show", "n10"]) == 10
    assert "did you mean 'n100'" in capsys.readouterr().err


def test_explain_predicts_the_installed_bundle(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Phases that add up, limits beside them, and every profile's answer."""
    assert run(["--config", str(config), "profile", "explain", "n100", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    seconds = facts["seconds"]
    assert seconds["case"] == pytest.approx(seconds["vision"] + seconds["prefill"] + seconds["decoding"], abs=0.01)
    assert (facts["profile"], facts["views"], facts["max_case_s"]) == ("n100", 3, 300.0)
    assert facts["fits"]["generic"] == []


def test_explain_counts_the_views_that_are_asked_for(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The further view costs what the figure says."""
    totals = []
    for views in ("3", "4"):
        assert run(["--config", str(config), "profile", "explain", "--views", views, "--json"]) == 0
        totals.append(json.loads(capsys.readouterr().out))
    assert totals[1]["seconds"]["case"] - totals[0]["seconds"]["case"] == pytest.approx(
        totals[0]["seconds_per_further_view"], abs=0.01
    )


def test_explain_in_words(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that nothing was run."""
    assert run(["--config", str(config), "profile", "explain"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("derm-edge-reference 0.2.0 on generic")
    assert "a prediction from shapes and the rates of the profile, nothing was run" in out


def test_doctor_predicts_a_case(tmp_path: Path) -> None:
    """Its line about the bundle says how long a case takes on this profile."""
    assert "; predicted 1 s per case, 0.3 GB of memory" in check_bundle(Config(state_dir=tmp_path))


@pytest.mark.parametrize(("profile", "precision"), [("generic", None), ("n100", "f32"), ("xeon", None)])
def test_the_child_computes_as_the_profile_says(profile: str, precision: str | None, tmp_path: Path) -> None:
    """Threads, precision, cache and groups reach the engine's settings; ``default`` is left to OpenVINO."""
    config = Config(state_dir=tmp_path, profile=profile)
    wish = engine_wish(config)
    options = child_parser().parse_args(child_settings(config, wish).arguments)
    assert (options.precision, options.kv_precision, options.activation_group_size) == (precision, "f16", 32)
    assert options.release_vision_below_bytes is None
    properties = wish.settings().properties()
    assert properties.get("INFERENCE_PRECISION_HINT") == precision
    assert properties["KV_CACHE_PRECISION"] == "f16"
    assert properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] == "32"
    assert properties["INFERENCE_NUM_THREADS"] == str(load_profile(profile).inference.threads)


@pytest.mark.parametrize(
    ("asked", "configured", "found"),
    [
        (None, CaptureConfig(), (3, 10.0)),
        (None, CaptureConfig(views=2, timeout_s=4.0), (2, 4.0)),
        (5, CaptureConfig(views=2), (5, 10.0)),
    ],
)
def test_views_come_from_the_words_then_the_configuration_then_the_profile(
    asked: int | None, configured: CaptureConfig, found: tuple[int, float]
) -> None:
    """The profile knows its camera where nobody says otherwise."""
    assert _wanted(asked, Config(profile="n100", capture=configured)) == found


def test_a_profile_that_spares_memory_reaches_the_engine() -> None:
    """A limit of 3 GiB goes from the profile through the child's arguments into the settings; 0 means never."""
    profile = load_profile("n100")
    facts = profile.inference.model_copy(update={"release_vision_below_bytes": 3 << 30})
    wished = Arithmetic.of(profile.model_copy(update={"inference": facts}))
    assert wished.release_vision_below_bytes == 3 << 30
    assert Arithmetic.of(profile).release_vision_below_bytes is None
    wish = EngineWish(Path("bundle"), Path("keys"), "CPU", 2, arithmetic=wished)
    assert wish.settings().release_vision_below_bytes == 3 << 30
    options = child_parser().parse_args(child_settings(Config(profile="n100"), wish).arguments)
    assert options.release_vision_below_bytes == 3 << 30
