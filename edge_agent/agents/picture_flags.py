"""The danger signs that only the pictures raise; they never remove or lower one of the form's."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.agents.abstention import Kept
from edge_agent.agents.representation import Described
from edge_agent.agents.rules.red_flags import PictureFacts, RuleBook, Verdict
from edge_agent.contracts.terms import Vocabulary


def seen_flags(
    readable: Sequence[Described], *, so_far: tuple[Verdict, ...], rules: RuleBook, vocabulary: Vocabulary
) -> tuple[Verdict, ...]:
    """Return what the pictures add to the verdicts of the form.

    Args:
        readable: the views that may be read, after the thresholds.
        so_far: the verdicts of the form.
        rules: of danger signs.
        vocabulary: names the region of each body site.
    """
    rows = [(one.view.body_site, one.fields.get("family")) for one in readable]
    families = [(site, family) for site, row in rows for family in _families(row)]
    return rules.add_pictures(so_far, PictureFacts.of(families, vocabulary))[len(so_far) :]


def _families(row: Kept | None) -> tuple[str | None, ...]:
    """Return the families that a view shows; a text may name several."""
    if row is None or not row.is_decided:
        return (None,)
    return row.coded.mentioned or (row.value,) if row.coded is not None else (row.value,)
