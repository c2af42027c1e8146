"""Plan the passes that bring a batch's new tokens into the KV cache: bounded in tokens, without rows that only wait.

New tokens stand right-aligned in ``count`` columns. A long prompt is computed in passes of at most ``limit`` tokens, rows
x columns, so that the activations of one pass bound the memory of all. A row that begins later than another would be
padding until then: it stays out, and joins by going on from a row that holds the same cached columns.

A pass behind cached columns is not free: with a non-empty cache the CPU plugin computes attention query by query, without
matrix products. Source: OpenVINO, intel_cpu/src/nodes/scaled_attn.cpp, ``use_one_token``. Measured at the 0.6b shape: 1,100
tokens take 4.6 s in one pass, 8.3 s in passes of 256.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from itertools import pairwise

# A pass reads all weights whatever its size; at the 0.6b shape that is worth about this many tokens.
PASS_TOKENS = 32


def past_cost(new: int, past: int, *, hidden_size: int) -> float:
    """Return what ``new`` tokens' attention to ``past`` columns costs more than in a fresh pass, in tokens computed.

    Both grow with the layers; a column costs ~4 h multiplications per layer and a token ~16 h^2, some eight times as fast.
    Measured at h = 896: one token per 700 pairs.
    """
    return new * (past + new / 2) / hidden_size if past else 0.0


@dataclass(frozen=True, slots=True)
class Pass:
    """One call of the language model: columns ``begin`` to ``end`` of the batch's ``rows``.

    ``sources``: for each row, the row of the cache as the pass before left it (``beam_idx``).
    """

    begin: int
    end: int
    rows: tuple[int, ...]
    sources: tuple[int, ...]


def plan(
    new: Items[int], matches: Items[tuple[int, int]], *, last: int, limit: int | None, hidden_size: int
) -> list[Pass]:
    """Cut a batch into passes; the last columns and the last pass hold every row, in order.

    Args:
        new: how many tokens each row appends; at least one.
        matches: for each row the cached row to go on from, and how many of its tokens hold (0: none of them).
        last: how many final columns every row must be computed in.
        limit: most tokens of a pass; one column of all rows is computed whatever its size. None: everything in one pass.
        hidden_size: of the language model; says what attention to the cache costs beside a token.
    """
    count = max(new)
    if limit is None:
        rows = tuple(range(len(new)))
        return [Pass(0, count, rows, tuple(source for source, _ in matches))]
    starts = [min(count - tokens, max(0, count - last)) for tokens in new]
    has_past = any(kept for _, kept in matches)
    borders = [*_joins(starts, count, hidden_size=None if has_past else hidden_size), count]
    passes: list[Pass] = []
    for begin, end in pairwise(borders):
        rows = _with_carriers([row for row, start in enumerate(starts) if start < end], matches)
        cuts = [*range(begin, end, max(1, limit // len(rows))), end]  # the first as long as may be: it is the cheapest
        for left, right in pairwise(cuts):
            passes.append(Pass(left, right, rows, _sources(rows, passes, matches)))
    return passes


def _joins(starts: Items[int], count: int, *, hidden_size: int | None) -> list[int]:
    """Return 0 and the columns at which rows join: where waiting saves more than one more pass costs.

    ``hidden_size`` None: there are cached columns anyway, and no pass is a fresh one.
    """
    joins = [0]
    for start in sorted(set(starts)):
        saved = sum(other >= start for other in starts) * (start - joins[-1])
        is_first = len(joins) == 1 and hidden_size is not None
        more = len(starts) * past_cost(count - start, start, hidden_size=hidden_size) if is_first and hidden_size else 0
        if saved >= PASS_TOKENS + more:
            joins.append(start)
    return joins


def _with_carriers(active: list[int], matches: Items[tuple[int, int]]) -> tuple[int, ...]:
    """Add one waiting row for every cached row that would be lost: the cache holds only what a pass goes on from."""
    held = {matches[row][0] for row in active}
    rows = set(active)
    for row, (source, kept) in enumerate(matches):
        if kept and source not in held:
            held.add(source)
            rows.add(row)
    return tuple(sorted(rows))


def _sources(rows: Items[int], before: Items[Pass], matches: Items[tuple[int, int]]) -> tuple[int, ...]:
    """Say from which row of the cache each row goes on: its own, or one that holds the same cached columns."""
    if not before and not any(kept for _, kept in matches):
        return tuple(range(len(rows)))  # the cache is empty and takes its rows from this pass
    if not before:
        return tuple(matches[row][0] for row in rows)
    there = before[-1].rows
    by_source = {matches[row][0]: place for place, row in reversed(list(enumerate(there)))}
    return tuple(there.index(row) if row in there else by_source.get(matches[row][0], 0) for row in rows)
