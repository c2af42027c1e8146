"""Say of what a metric can be asked: a field, an agent, a score, a piece of the bundle. Measures nothing.

A gate on a part that nothing ever has falls in every evaluation, hours after the recipe was written: its name is checked
when the gate is read. Loads no library of numbers, since recipes are read before threads are fixed.
"""

from __future__ import annotations

import difflib
from types import MappingProxyType

from calibration.evaluation.label_fields import label_fields
from calibration.evaluation.text_scores import SENTENCE_SCORES
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.contracts.terms import Vocabulary

MEAN, EACH = "mean", "each"
# What flips, and the field of the answer that tells it; the decision is no agent's field.
FLIP_FIELDS = MappingProxyType(
    {
        "decision": None,
        "family": "recognition.family",
        "stage": "representation.stage",
        "syndrome": "reasoning.syndrome",
        "cascade_syndrome": "cascade.syndrome",
    }
)
WEIGHT_PARTS = ("vision_embeddings", "vision_merger", "text_embeddings", "language_model")
_OF_FIELDS = ("field_accuracy_loss", "calibration_error_gain")
_NAMED: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "flips": tuple(FLIP_FIELDS),
        "divergence": AGENTS,
        "token_disagreement": AGENTS,
        "text_loss": SENTENCE_SCORES,
        "weight_error": (MEAN, *WEIGHT_PARTS, *(f"adapter.{agent}" for agent in AGENTS)),
    }
)
# Where Reason reads the bundle's own findings, its fields are told under another name (``answers.Said``).
_ANSWERERS: MappingProxyType[str, AgentName] = MappingProxyType(
    {**{str(agent): agent for agent in AGENTS}, "cascade": "reasoning"}
)


def part_problem(metric: str, part: str, *, may_be_each: bool) -> str:
    """Return why a metric cannot be asked of a part, in words for a message; empty where it can.

    Args:
        metric: of ``limits.Metric``; metrics that are named nowhere here are of all cases (``mean``).
        part: as a gate names it.
        may_be_each: ``each`` field may be asked; not in a substitute, which is one figure.
    """
    agent = part.partition(".")[0]
    known, prefix = _NAMED.get(metric, (MEAN,)), ""
    if metric in _OF_FIELDS:
        known = (MEAN, EACH) if may_be_each else (MEAN,)
        if part not in known and agent not in _ANSWERERS:
            return (
                f"part = {part!r} is no field; write {', '.join(known)} or AGENT.FIELD, AGENT: {', '.join(_ANSWERERS)}"
            )
        if part not in known:
            known, prefix = tuple(label_fields(Vocabulary.load(), _ANSWERERS[agent])), f"{agent}."
    asked = part.removeprefix(prefix)
    if asked in known:
        return ""
    close = difflib.get_close_matches(asked, known, n=1)
    hint = f"did you mean {prefix + close[0]!r}?" if close else f"known are {', '.join(prefix + one for one in known)}"
    return f"part = {part!r} is not known; {hint}"
