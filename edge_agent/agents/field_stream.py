"""Show signs one by one while a case runs: exactly those, and as weak, as the report will show them.

A report withholds things when all is known: out of scope and after an abstention there is no syndrome, and a value below
its threshold is never shown. Somebody who reads along must not see more than the report will say, so:

- only descriptive signs pass: what DERM-Rec sees on one picture and DERM-Rep on the visit, by the two lists below. What a
  list does not name is not shown, so a new field stays unseen until somebody decides about it;
- never a family, phenotype, stage or special sign, nor the pathogenesis: these are or suggest a condition, and the scope
  decision, which looks at every picture several times, comes after them;
- never anything of DERM-Reason (syndrome, principle, formula, conditions, plan): the evidence check, the herb check and the
  danger signs may withhold it when its answer is whole;
- never free text: it is screened for doses and banned substances when it is whole;
- each value goes through the threshold of ``abstention.keep`` first, as in the report;
- nothing of a picture that was set aside, or on which the model has not yet said that it sees a lesion;
- nothing at all while an emergency sign is active: then the screen shows the fixed instruction.

Does not store or send anything. A listener must return quickly: the engine waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from edge_agent.agents.abstention import Kept, keep
from edge_agent.agents.recognition import keep_view
from edge_agent.contracts.case import AgentOutput, FieldValue, View
from edge_agent.contracts.manifest import AgentName, Thresholds
from edge_agent.contracts.shown_field import OnField, ShownField

SHOWN_OF_VIEW = frozenset(
    {
        "primary_lesion", "secondary_change", "colour", "scale_type", "scale_amount", "erythema", "induration", "border",
        "shape", "arrangement", "count_in_view", "surface_share",
    }
)  # fmt: skip
SHOWN_OF_VISIT = frozenset({"distribution", "symmetry"})
SEES_A_LESION = ("applicability", "lesion_visible")


class EngineEvent(Protocol):
    """What an engine tells while it writes: the row of the batch, the step, the field, its value."""

    row: int
    step: str
    field: str
    value: Any


class FieldStream:
    """Pass on the signs of one case as they are decided.

    Args:
        tell: told of every sign that may be shown; None for nobody, then the engine is not listened to either.
        views: the case's pictures.
        aside: the indices of pictures that are not read on.
        thresholds: the bundle's.
        uncalibrated: see ``abstention.keep``.
    """

    def __init__(
        self,
        tell: OnField | None,
        *,
        views: Sequence[View],
        aside: Collection[int],
        thresholds: Thresholds,
        uncalibrated: Collection[str],
    ) -> None:
        self._tell = tell
        self._views, self._aside = tuple(views), frozenset(aside)
        self._thresholds, self._uncalibrated = thresholds, uncalibrated
        self._seen: set[int] = set()  # the views on which a lesion is visible
        self._told: dict[tuple[str, int | None, str, str], ShownField] = {}

    def ear(self, agent: AgentName) -> Callable[[EngineEvent], None] | None:
        """Return what the engine tells while this agent answers; None where nobody listens."""
        if self._tell is None:
            return None

        def heard(event: EngineEvent) -> None:
            if isinstance(event.value, FieldValue):  # a chunk of free text is a plain string
                self._hear(agent, event)

        return heard

    def finish(self, output: AgentOutput, kept: Mapping[str, Kept], *, view: View | None = None) -> None:
        """Tell of an answer that is whole and through its thresholds what was not told yet, or is longer now.

        Args:
            output: the answer.
            kept: its fields after the thresholds.
            view: the picture that it describes; None for the visit.
        """
        if self._tell is None:
            return
        if view is not None:
            self._notice(view, kept)
        for name, row in kept.items():
            self._pass_on(output.agent, output.step, name, row, view=view)

    def _hear(self, agent: AgentName, event: EngineEvent) -> None:
        output = AgentOutput(
            agent, event.step, "", {event.field: event.value.value}, {event.field: event.value}, 0, 0
        )  # one field of the answer, so that the one threshold rule judges it
        if agent != "recognition":
            kept, _ = keep(output, self._thresholds, uncalibrated=self._uncalibrated)
            self._pass_on(agent, event.step, event.field, kept[event.field], view=None)
            return
        view = self._views[event.row]
        kept, _ = keep_view(view, output, self._thresholds, uncalibrated=self._uncalibrated)
        self._notice(view, kept)
        self._pass_on(agent, event.step, event.field, kept[event.field], view=view)

    def _notice(self, view: View, kept: Mapping[str, Kept]) -> None:
        name, wanted = SEES_A_LESION
        if name in kept and kept[name].value == wanted:
            self._seen.add(view.index)

    def _pass_on(self, agent: str, step: str, name: str, row: Kept, *, view: View | None) -> None:
        if self._tell is None or not row.is_decided or not self._may_show(agent, name, view):
            return
        index = None if view is None else view.index
        shown = ShownField(agent, index, step, name, row.value, is_decided=not row.is_withheld)
        place = (agent, index, step, name)
        if self._told.get(place) != shown:
            self._told[place] = shown
            self._tell(shown)

    def _may_show(self, agent: str, name: str, view: View | None) -> bool:
        if agent == "recognition":
            is_read = view is not None and view.index in self._seen and view.index not in self._aside
            return is_read and name in SHOWN_OF_VIEW
        return agent == "representation" and name in SHOWN_OF_VISIT
