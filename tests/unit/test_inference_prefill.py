"""Cutting a batch into passes: every new token once, no pass above its limit, no cached row lost."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.inference.prefill import Pass, past_cost, plan

WIDE = 100_000  # so wide a model that attention to the cache costs nothing beside its tokens
FRESH = [(0, 0), (1, 0), (2, 0)]


def replay(new: list[int], matches: list[tuple[int, int]], passes: list[Pass]) -> list[list[str]]:
    """Carry a cache of labels through the passes as the runtime does; return each row's labels in the end.

    Cached rows hold the label ``s<row>``; a computed column of a row holds ``<row>:<column>``.
    """
    cache = [[f"s{source}"] for source in range(max(source for source, _ in matches) + 1)]
    done = 0
    for one in passes:
        assert one.begin == done
        columns = range(one.begin, one.end)
        if not any(kept for _, kept in matches) and one.begin == 0:
            cache = [["empty"] for _ in one.rows]
        cache = [
            [*cache[source], *(f"{row}:{c}" for c in columns)]
            for row, source in zip(one.rows, one.sources, strict=True)
        ]
        done = one.end
    assert passes[-1].rows == tuple(range(len(new)))
    assert done == max(new)
    return cache


def test_without_a_limit_everything_is_one_pass() -> None:
    """The off switch: one pass, padding included, from the matched rows."""
    assert plan([700, 3], [(1, 5), (0, 9)], last=1, limit=None, hidden_size=WIDE) == [Pass(0, 700, (0, 1), (1, 0))]


@pytest.mark.parametrize("limit", [1, 7, 512])
@pytest.mark.parametrize("last", [1, 40])
def test_every_row_computes_its_own_tokens_behind_its_own_cache(limit: int, last: int) -> None:
    """Rows of 300, 120 and 4 new tokens from two cached rows: each ends with its row's columns and its own tokens."""
    new, matches = [300, 120, 4], [(1, 8), (0, 30), (1, 6)]
    for row, labels in enumerate(replay(new, matches, plan(new, matches, last=last, limit=limit, hidden_size=WIDE))):
        assert labels[0] == f"s{matches[row][0]}"
        wanted = max(new[row], last)
        assert labels[-wanted:] == [f"{row}:{column}" for column in range(300 - wanted, 300)]


def test_no_pass_is_above_the_limit() -> None:
    """Three rows of up to 1,000 tokens and a limit of 256: rows x columns never exceeds it; the first pass fills it."""
    for new in ([1000, 1000, 1000], [1000, 700, 10]):
        assert all(
            len(p.rows) * (p.end - p.begin) <= 256 for p in plan(new, FRESH, last=1, limit=256, hidden_size=WIDE)
        )
    assert [p.end - p.begin for p in plan([520], [(0, 0)], last=1, limit=512, hidden_size=WIDE)] == [512, 8]


def test_a_short_row_does_not_wait_as_padding() -> None:
    """Of 400, 400 and 100 tokens the third joins for its own columns alone: 900 tokens computed, not 1,200."""
    passes = plan([400, 400, 100], FRESH, last=1, limit=4096, hidden_size=WIDE)
    assert passes == [Pass(0, 300, (0, 1), (0, 1)), Pass(300, 400, (0, 1, 2), (0, 1, 0))]


def test_a_few_tokens_of_padding_are_cheaper_than_a_pass() -> None:
    """Forced tokens of a running answer differ by a handful: still one pass."""
    assert len(plan([9, 1, 4], [(0, 50), (1, 50), (2, 50)], last=1, limit=512, hidden_size=WIDE)) == 1


def test_a_cached_row_that_only_a_short_row_needs_is_carried_along() -> None:
    """Row 1 alone goes on from cached row 1: it stands in every pass, or its columns would be gone when it joins."""
    passes = plan([400, 2, 2], [(0, 9), (1, 9), (0, 9)], last=1, limit=4096, hidden_size=WIDE)
    assert passes[0] == Pass(0, 398, (0, 1), (0, 1))
    assert passes[1] == Pass(398, 400, (0, 1, 2), (0, 1, 0))


def test_random_batches_lose_nothing() -> None:
    """300 random batches: every row ends behind its own cached columns, with its own tokens, in order."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        rows, is_fresh = int(rng.integers(1, 6)), bool(rng.integers(2))
        new = [int(n) for n in rng.integers(1, 300, size=rows)]
        kept = [0] * rows if is_fresh else [int(n) for n in rng.integers(1, 50, size=rows)]
        sources = range(rows) if is_fresh else [int(n) for n in rng.integers(0, 4, size=rows)]
        matches = list(zip(sources, kept, strict=True))
        limit = int(rng.integers(1, 400))
        for row, labels in enumerate(replay(new, matches, plan(new, matches, last=1, limit=limit, hidden_size=WIDE))):
            assert is_fresh or labels[0] == f"s{matches[row][0]}"
            assert labels[-new[row] :] == [f"{row}:{column}" for column in range(max(new) - new[row], max(new))]


def test_rows_wait_only_where_that_is_cheaper_than_attending_to_a_cache() -> None:
    """Of 400, 400 and 100 tokens at h = 896: waiting saves 300 tokens, 300 new ones behind 300 columns cost 117, a pass 32.

    At h = 192 they cost 547, and all rows go in one pass; behind a cache that is there anyway they wait again.
    """
    new = [400, 400, 100]
    assert len(plan(new, FRESH, last=1, limit=4096, hidden_size=896)) == 2
    assert len(plan(new, FRESH, last=1, limit=4096, hidden_size=192)) == 1
    assert len(plan(new, [(0, 9), (0, 9), (0, 9)], last=1, limit=4096, hidden_size=192)) == 2


def test_attention_to_the_cache_is_counted_in_tokens() -> None:
    """100 new tokens behind 600 columns attend to 650 on average; in a fresh pass nothing is added."""
    assert past_cost(100, 600, hidden_size=1000) == 65.0
    assert past_cost(100, 0, hidden_size=1000) == 0.0
