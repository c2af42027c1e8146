"""What happened while the pictures of a visit were taken, beside the pictures that were kept: it goes with the case.

No picture is in it: a refused one is never kept (policy R12), only counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from edge_agent.contracts.intake import ViewNote
from edge_agent.contracts.intake_parts import Lax, Record
from edge_agent.contracts.result import QualityReason

MAX_COUNT = 99  # of one reason in one visit; what a result may say
Refusals = dict[QualityReason, Annotated[int, Field(ge=1, le=MAX_COUNT)]]


class Photography(Record):
    """How often the check refused a picture, by reason, which pictures were lost, and whether a sign of abuse ended it.

    ``lost``: the picture was kept, and its file could not be opened any more when the visit was handed over: nobody has
    looked at that place. Does not say why a file was damaged; ``derm-edge store check`` does. ``is_stopped``: signs of
    abuse ended photography, whatever the form says by now: no picture and no result of the case leaves (policy R9).
    """

    refusals: Refusals = Field(default_factory=dict)
    lost: Annotated[tuple[ViewNote, ...], Lax] = ()
    is_stopped: bool = False

    def without(self, notes: Iterable[ViewNote]) -> Photography:
        """Return the same with more pictures that are lost."""
        return self.model_copy(update={"lost": (*self.lost, *notes)})
