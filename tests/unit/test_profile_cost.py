"""The cost model: worked out by hand on round rates, and beside everything that was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_profiles.cost import CaseFacts, ModelFacts, Prediction, Turn, exceeds, predict
from device_profiles.loader import load_profile
from scripts.profiles_doc_tables import checks

TINY = load_profile("tiny")  # 1e11 FLOP/s, 1e10 bytes/s, 0.01 s per call, memory 2 x files, cache f32
MODEL = ModelFacts(
    language_weights=50_000_000,
    head_weights=5_000_000,
    adapter_weights=0,
    vision_weights=10_000_000,
    language_bytes=100_000_000,
    adapter_bytes=0,
    other_bytes=20_000_000,
    layers=2,
    attention_width=100,
    kv_width=10,
    mlp_width=300,
    vision_layers=3,
    vision_width=200,
    vision_mlp_width=400,
)


def case(*turns: Turn, pictures: int = 0, patches: int = 0) -> CaseFacts:
    """A case of some turns."""
    return CaseFacts(pictures, patches, turns)


def test_vision_counts_products_and_all_pairs_of_patches() -> None:
    """2 x 1000 x 1e7 + 4 x 3 x 1000^2 x 200 = 2.24e10 FLOP and a call, for each of two pictures."""
    found = predict(MODEL, case(pictures=2, patches=1000), TINY)
    assert found.vision_s == pytest.approx(2 * (0.224 + 0.01))
    assert found.prefill_s == found.decode_s == 0


def test_prefill_counts_every_row_and_what_it_attends_to() -> None:
    """Per row 2 x 100 x 5e7 = 1e10, and 4 x 2 x 100 x (300 + 100) x 100 = 3.2e7 for attention; two rows, one call."""
    found = predict(MODEL, case(Turn(2, 100, 0, 0, seen_tokens=300)), TINY)
    assert found.prefill_s == pytest.approx(2 * 0.10032 + 0.01)


def test_a_decision_reads_all_weights_and_the_cache() -> None:
    """1e8 bytes and 400 tokens x 2 x 2 layers x 10 x 4 bytes at 1e10 bytes/s, and a call; ten times."""
    found = predict(MODEL, case(Turn(1, 390, 10, 0)), TINY)
    assert found.decode_s == pytest.approx(10 * (0.01 + 64_000 / 1e10 + 0.01))


def test_further_rows_add_products_and_not_another_reading() -> None:
    """Two more rows: 2 x (5e7 + 5e6) FLOP each per decision."""
    one, three = (predict(MODEL, case(Turn(rows, 0, 10, 0)), TINY).decode_s for rows in (1, 3))
    assert three - one == pytest.approx(10 * 2 * 1.1e8 / 1e11, rel=0.01)


def test_a_forced_token_costs_its_products_twice_and_no_call() -> None:
    """2 x 2 x 5e7 FLOP for each of 20."""
    found = predict(MODEL, case(Turn(1, 0, 0, 20)), TINY)
    assert found.decode_s == pytest.approx(20 * 2e8 / 1e11)


def test_adapters_are_computed_and_read_with_every_token() -> None:
    """Half as many adapter weights and bytes again: half as much more time for products and reading."""
    turn = case(Turn(1, 1000, 0, 0)), case(Turn(1, 0, 10, 0))
    adapted = replace(MODEL, adapter_weights=25_000_000, adapter_bytes=50_000_000)
    assert predict(adapted, turn[0], TINY).prefill_s - predict(MODEL, turn[0], TINY).prefill_s == pytest.approx(0.5)
    assert predict(adapted, turn[1], TINY).decode_s - predict(MODEL, turn[1], TINY).decode_s == pytest.approx(0.05)


def test_memory_adds_up() -> None:
    """Files twice; 2 rows x 60 tokens x 160 bytes of cache; 1000^2 x 8 of masks; 1000 patches x 1,600 values x 4."""
    found = predict(MODEL, case(Turn(2, 50, 10, 0), Turn(1, 20, 0, 0), pictures=1, patches=1000), TINY)
    assert found.memory_bytes == 2 * 120_000_000 + 2 * 60 * 160 + 8_000_000 + 1000 * (4 * 200 + 2 * 400) * 4


def test_what_is_exceeded_is_named_with_both_figures() -> None:
    """Exactly the limit passes; above it each limit has its own line."""
    limits = TINY.inference
    assert exceeds(Prediction(0.5, 0.25, 0.25, limits.memory_budget_bytes), TINY) == []
    assert exceeds(Prediction(1.0, 0.4, 0.6, 2_000_000), TINY) == ["memory 2.0 MB of 1.0 MB", "time 2 s of 1 s"]


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.what)
def test_the_model_is_near_what_was_measured(check: object) -> None:
    """Every figure that the repository holds, within a fifth."""
    assert check.predicted == pytest.approx(check.measured, rel=0.2)  # type: ignore[attr-defined]
