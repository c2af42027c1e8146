"""List the fields of an agent's answer that a case can label, each with the list of ids that a label may name."""

from __future__ import annotations

from edge_agent.contracts.agent_schemas import agent_fields
from edge_agent.contracts.manifest import AgentName
from edge_agent.contracts.term_lists import TermList
from edge_agent.contracts.terms import Vocabulary

# Lists that Reason's answer uses under a name that is not its list's (clinical-vocabulary, 5).
_REASONING_LISTS = {
    "biomedical.working": "biomedical_condition",
    "biomedical.differential": "biomedical_condition",
    "secondary_syndrome": "syndrome",
}


def label_fields(vocabulary: Vocabulary, agent: AgentName) -> dict[str, tuple[TermList, tuple[int, int] | None]]:
    """Return each field's list and, where it is graded, its lowest and highest grade."""
    known = {model.key: (found, model.grades) for found, model in agent_fields(vocabulary.lists, agent)}
    if agent == "reasoning":
        known |= {name: (vocabulary.lists[own], None) for name, own in _REASONING_LISTS.items()}
    return known
