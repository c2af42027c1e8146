"""What is released comes back: weights' pages and vision models may go at any moment and no answer changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.inference.engine import EncodedView, Engine, EngineSettings
from tests.parity.conftest import BundleOf
from tests.parity.toy_model import picture
from tests.simulators.mappings import resident_bytes

# Without prefix reuse an answer does not depend on what was asked before, down to the last bit.
SETTINGS = EngineSettings(strict=True, reuse_prefix=False)
FRAMES = [picture(5), picture(6, height=100, width=180)]


@pytest.fixture(scope="module")
def plain(bundle_of: BundleOf) -> Iterator[Engine]:
    """Nothing is ever released."""
    with Engine(bundle_of("int4", "int8"), settings=replace(SETTINGS, release_weights=False)) as engine:
        yield engine


def ask(engine: Engine, view: EncodedView) -> AgentOutput:
    """Show Rec one view."""
    [[output]] = engine.run("recognition", [Request((view,), {})])
    return output


def weight_files(engine: Engine) -> list[Path]:
    """The files of the parts that pack their weights."""
    return [engine.bundle.path_of(f"{part}.bin") for part in ("language_model", "vision_merger")]


def test_a_loaded_engine_keeps_no_page_of_its_files(bundle_of: BundleOf, plain: Engine) -> None:
    """On: nothing resident after loading, and answers are the same bits. Off: the files lie in memory beside the copies."""
    expected = ask(plain, plain.encode(FRAMES[0]))
    assert all(resident_bytes(path) > path.stat().st_size // 2 for path in weight_files(plain))
    with Engine(bundle_of("int4", "f32"), settings=SETTINGS) as engine:
        assert resident_bytes(engine.bundle.path_of("language_model.bin")) == 0
    with Engine(bundle_of("int4", "int8"), settings=SETTINGS) as engine:
        for _ in range(2):
            assert ask(engine, engine.encode(FRAMES[0])) == expected  # probabilities included, bit for bit
            engine.forget()
        assert engine.tokens_computed > 0


def test_loading_computes_no_token_that_counts(bundle_of: BundleOf) -> None:
    """The first run that packs the weights is not in the count, and leaves no conversation to reuse."""
    with Engine(bundle_of("int4", "int8"), settings=SETTINGS) as engine:
        assert engine.tokens_computed == 0
        assert engine._open().language._rows == []


def test_the_vision_tower_stays_by_default(bundle_of: BundleOf) -> None:
    """Off: it is there after every step of a case."""
    with Engine(bundle_of("int4", "int8"), settings=SETTINGS) as engine:
        ask(engine, engine.encode(FRAMES[0]))
        engine.forget()
        assert engine._open().vision.is_loaded


def test_a_released_vision_tower_comes_back_in_any_order(bundle_of: BundleOf, plain: Engine) -> None:
    """Encode, ask, look again twice, ask, forget, encode: gone after every answer, and the same bits every time."""
    views = [plain.encode(frame) for frame in FRAMES]
    expected = [ask(plain, view) for view in views]
    settings = replace(SETTINGS, release_vision=True)
    with Engine(bundle_of("int4", "int8"), settings=settings) as engine:
        vision = engine._open().vision
        for order in ([0], [1, 0], [0, 0]):
            found = [(number, engine.encode(FRAMES[number])) for number in order]
            assert vision.is_loaded
            for number, view in found:
                assert view.embeddings.tobytes() == views[number].embeddings.tobytes()
                assert ask(engine, view) == expected[number]
                assert not vision.is_loaded
        engine.forget()
        assert engine.encode(FRAMES[1]).embeddings.tobytes() == views[1].embeddings.tobytes()
        engine.forget()
        assert not vision.is_loaded


@pytest.mark.parametrize(("available_kib", "is_loaded"), [(999, False), (1000, True)])
def test_the_vision_tower_goes_when_memory_is_short(
    bundle_of: BundleOf, tmp_path: Path, available_kib: int, is_loaded: bool
) -> None:
    """Below the limit it goes, at the limit it stays; asked when an agent begins."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable: 5000 kB\n", encoding="utf-8")
    settings = replace(SETTINGS, release_vision_below_bytes=1000 * 1024)
    with Engine(bundle_of("int4", "int8"), settings=settings, meminfo=meminfo) as engine:
        view = engine.encode(FRAMES[0])
        meminfo.write_text(f"MemAvailable: {available_kib} kB\n", encoding="utf-8")
        ask(engine, view)
        assert engine._open().vision.is_loaded == is_loaded


def test_a_canary_does_not_compile_the_tower_for_every_case(bundle_of: BundleOf) -> None:
    """While golden cases are replayed the models stay; afterwards the wish holds again."""
    with Engine(bundle_of("int4", "int8"), settings=replace(SETTINGS, release_vision=True)) as engine:
        vision = engine._open().vision
        with vision.kept():
            ask(engine, engine.encode(FRAMES[0]))
            assert vision.is_loaded
        ask(engine, engine.encode(FRAMES[0]))
        assert not vision.is_loaded
