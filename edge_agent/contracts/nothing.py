"""Keep the four kinds of nothing apart: absent, not examined, cannot tell, not applicable.

A sign that nobody looked for is not a sign that is absent, and neither is one that was looked at and could not be
judged. Ids say which it is; ``null``, an empty list and a missing key do not, so whoever reads one states what it
stands for there. Nothing here is ever turned into a normal finding.

Source: clinical-vocabulary section 0.2; the words stand in ``vocabulary/nothing.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Nothing(StrEnum):
    """The four kinds; the values are the ids of the vocabulary's list ``nothing``."""

    ABSENT = "absent"  # looked, not there
    NOT_EXAMINED = "not_examined"  # nobody looked
    CANNOT_TELL = "cannot_tell"  # looked, undecidable
    NOT_APPLICABLE = "not_applicable"  # the question does not arise


# Ids that lists use instead of a kind's own: `also` in vocabulary/nothing.toml; a test keeps the two equal.
SPELLINGS: Mapping[str, Nothing] = MappingProxyType(
    {
        **{kind.value: kind for kind in Nothing},
        "none": Nothing.ABSENT,
        "no": Nothing.ABSENT,
        "insufficient_information": Nothing.CANNOT_TELL,
        "unknown": Nothing.CANNOT_TELL,
    }
)


def kind_of(value: Any, *, null: Nothing) -> Nothing | None:
    """Say which kind of nothing a value is; None where it tells something.

    Does not merge: a list of two different kinds is an error of whoever made it.

    Args:
        value: a vocabulary id, a list of ids, a number, a boolean or None.
        null: what None and the empty list stand for in this place, e.g. NOT_EXAMINED on the form, CANNOT_TELL in a
            grade of an agent.

    Raises:
        ValueError: a list names two kinds of nothing, or one beside a value that tells something.
    """
    if value is None:
        return null
    if isinstance(value, str):
        return SPELLINGS.get(value)
    if isinstance(value, Sequence):
        if not value:
            return null
        kinds = {kind_of(item, null=null) for item in value}
        if len(kinds) > 1 and kinds != {None}:
            raise ValueError(f"{list(value)} mixes a kind of nothing with something else; name one")
        return kinds.pop()
    return None
