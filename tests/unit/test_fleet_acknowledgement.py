"""Rules of the ack: it never says more than is stored, however long its lists would be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.contracts.messages import Rejection
from fleet.acknowledgement import build_ack

EPOCH = "0" * 16


def test_gaps_and_rejections_pass_through() -> None:
    """Short lists are told whole, up to the greatest seq."""
    ack = build_ack(EPOCH, highest=9, gaps=[(2, 3)], refused=[Rejection(seq=5, reason="conflict")])
    assert (ack.high_water, ack.gaps, ack.rejected) == (9, ((2, 3),), (Rejection(seq=5, reason="conflict"),))


def test_too_many_gaps_lower_the_high_water() -> None:
    """A gap that does not fit the list is above the high water, never hidden below it."""
    ack = build_ack(EPOCH, highest=99, gaps=[(2, 3), (5, 6), (8, 9)], refused=[], max_ranges=2)
    assert (ack.high_water, ack.gaps) == (7, ((2, 3), (5, 6)))


def test_too_many_rejections_lower_the_high_water_and_cut_a_gap() -> None:
    """A rejection that does not fit is above the high water, and a gap that straddles it is cut."""
    bad = [Rejection(seq=seq, reason="invalid_body") for seq in (1, 2, 8)]
    ack = build_ack(EPOCH, highest=99, gaps=[(6, 7), (20, 30)], refused=bad, max_ranges=2)
    assert (ack.high_water, ack.gaps, [row.seq for row in ack.rejected]) == (7, ((6, 7),), [1, 2])
    bad = [Rejection(seq=seq, reason="conflict") for seq in (1, 2, 8)]
    assert build_ack(EPOCH, highest=99, gaps=[(3, 5), (7, 30)], refused=bad, max_ranges=2).gaps == ((3, 5), (7, 7))


# No deadline: a slow example is no failure of this rule.
@given(
    st.dictionaries(st.integers(1, 30), st.sampled_from(["stored", "rejected"])),
    st.integers(1, 4),
)
def test_ack_never_claims_what_is_not_stored(fates: dict[int, str], max_ranges: int) -> None:
    """For any history and any list length, every seq that the ack calls stored is stored."""
    highest = max(fates, default=0)
    missing = [seq for seq in range(1, highest + 1) if seq not in fates]
    gaps: list[tuple[int, int]] = []
    for seq in missing:
        if gaps and gaps[-1][1] == seq - 1:
            gaps[-1] = (gaps[-1][0], seq)
        else:
            gaps.append((seq, seq))
    refused = [Rejection(seq=seq, reason="x") for seq in sorted(fates) if fates[seq] == "rejected"]
    ack = build_ack(EPOCH, highest=highest, gaps=gaps, refused=refused, max_ranges=max_ranges)
    claimed = {seq for seq in range(1, 40) if ack.is_stored(seq)}
    stored = {seq for seq, fate in fates.items() if fate == "stored"}
    assert claimed <= stored
    if len(gaps) <= max_ranges and len(refused) <= max_ranges:
        assert claimed == stored
