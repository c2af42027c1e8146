"""One field that a screen may show while a case still runs; what the processes of a device tell each other of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ShownField:
    """One sign as it may be shown now.

    A later one with the same agent, view, step and field replaces it: a list arrives with its first item and again when
    it is whole. ``is_decided`` is False where the model's answer was withheld; ``value`` then says "cannot tell".

    Attributes:
        agent: ``recognition`` or ``representation``.
        view: the picture, counted from 0; None where the sign is of the whole visit.
        step: the agent's step.
        field: an id of the vocabulary's lists.
        value: an id, a list of ids, a grade, or None.
        is_decided: whether a value stands.
    """

    agent: str
    view: int | None
    step: str
    field: str
    value: Any
    is_decided: bool

    def to_body(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> ShownField:
        """Read what ``to_body`` wrote; other keys are left alone.

        Raises:
            KeyError: a field is missing.
        """
        return cls(
            agent=body["agent"],
            view=body["view"],
            step=body["step"],
            field=body["field"],
            value=body["value"],
            is_decided=body["is_decided"],
        )


OnField = Callable[[ShownField], None]
