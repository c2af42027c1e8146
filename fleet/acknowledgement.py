"""Say truthfully what of one epoch is stored: the only words on which a device deletes a row."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from edge_agent.contracts.messages import MAX_RANGES, Ack, Rejection
from fleet.tables import conflicts, ledger, rejected

CONFLICT = "conflict"


def build_ack(
    epoch: str,
    *,
    highest: int,
    gaps: Sequence[tuple[int, int]],
    refused: Sequence[Rejection],
    max_ranges: int = MAX_RANGES,
) -> Ack:
    """Build an ack that is complete up to its high water, lowering that where the lists would grow too long.

    Args:
        epoch: the device's epoch.
        highest: greatest seq stored or rejected; 0 for none.
        gaps: missing ranges below ``highest``, ascending; at least the first ``max_ranges + 1`` of them.
        refused: rejected and conflicting seqs, ascending; at least the first ``max_ranges + 1`` of them.
        max_ranges: most entries per list.
    """
    high_water = highest
    if len(gaps) > max_ranges:
        high_water = min(high_water, gaps[max_ranges][0] - 1)
    if len(refused) > max_ranges:
        high_water = min(high_water, refused[max_ranges].seq - 1)
    kept = tuple((first, min(last, high_water)) for first, last in gaps[:max_ranges] if first <= high_water)
    told = tuple(row for row in refused[:max_ranges] if row.seq <= high_water)
    return Ack(epoch=epoch, high_water=high_water, gaps=kept, rejected=told)


def find_gaps(
    connection: sa.Connection, device: str, epoch: str, *, settled: int, limit: int = MAX_RANGES + 1
) -> tuple[int, list[tuple[int, int]]]:
    """Find the missing ranges of an epoch above ``settled``.

    Returns:
        The greatest seq that is stored or rejected (``settled`` if there is none above it), and the first
        ``limit`` missing ranges below it, ascending, both ends included.
    """
    parts = [
        sa.select(table.c.seq).where(table.c.device == device, table.c.epoch == epoch, table.c.seq > settled)
        for table in (ledger, rejected)
    ]
    known = sa.union(*parts).subquery()
    highest = connection.scalar(sa.select(sa.func.max(known.c.seq)))
    if highest is None:
        return settled, []
    before = sa.func.coalesce(sa.func.lag(known.c.seq).over(order_by=known.c.seq), settled).label("before")
    pairs = sa.select(before, known.c.seq).subquery()
    missing = sa.select(pairs.c.before + 1, pairs.c.seq - 1).where(pairs.c.seq - pairs.c.before > 1)
    rows = connection.execute(missing.order_by(pairs.c.seq).limit(limit))
    return int(highest), [(int(first), int(last)) for first, last in rows]


def find_refused(connection: sa.Connection, device: str, epoch: str, *, limit: int = MAX_RANGES + 1) -> list[Rejection]:
    """Find the seqs of an epoch that were rejected, or arrived a second time with another body, ascending.

    All of them, not only the latest batch's: an earlier ack may never have reached the device.
    """
    bad = sa.select(rejected.c.seq, rejected.c.reason).where(rejected.c.device == device, rejected.c.epoch == epoch)
    twice = sa.select(conflicts.c.seq, sa.literal(CONFLICT)).where(
        conflicts.c.device == device, conflicts.c.epoch == epoch
    )
    both = sa.union(bad, twice).subquery()
    rows = connection.execute(sa.select(both.c.seq, both.c.reason).order_by(both.c.seq).limit(limit))
    return [Rejection(seq=int(seq), reason=str(reason)) for seq, reason in rows]
