"""The check under garbage: whatever a model writes, the report holds known ids, numbers and booleans only."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.agents.evidence.check import VERDICTS, check, examine
from edge_agent.agents.evidence.record import Record, record_of
from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.agents.representation import Lead

TABLE = SignTable.load()


def record() -> Record:
    leads = {"colour": Lead(1, ["dark_red"]), "induration": Lead(1, 3), "border": Lead(0, "well_defined")}
    intake = {
        "fitzpatrick": 2,
        "duration": "more_than_one_year",
        "tongue": {"body_colour": "purple"},
        "pulse": ["rough"],
    }
    return record_of(leads, representation={"symmetry": "symmetric"}, intake=intake)


KNOWN = st.sampled_from(
    [
        *record().values,
        *TABLE.claims,
        "supports",
        "against",
        "view:99.colour",
        "claim",
        "evidence",
        "cannot_tell",
        "血热",
        "\ud800",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=4) | KNOWN
GARBAGE = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | KNOWN, inner, max_size=4)
)
STEP = st.fixed_dictionaries(
    {},
    optional={
        "claim": KNOWN | GARBAGE,
        "stance": KNOWN | GARBAGE,
        "evidence": st.lists(KNOWN, max_size=5) | GARBAGE,
        "x": GARBAGE,
    },
)
CONDITION = KNOWN | st.fixed_dictionaries(
    {"condition": KNOWN}, optional={"confidence": GARBAGE, "supported_by": GARBAGE | st.lists(KNOWN)}
)


@settings(max_examples=150, deadline=None)
@given(
    steps=GARBAGE | st.lists(STEP, max_size=10),
    working=GARBAGE | CONDITION,
    others=GARBAGE | st.lists(CONDITION, max_size=6),
)
def test_garbage_never_crashes_and_never_reaches_the_report(steps: Any, working: Any, others: Any) -> None:
    """Wrong types, unknown keys, unicode: the report is valid JSON of known ids, numbers and booleans."""
    answer = {"reasoning_steps": steps, "biomedical": {"working": working, "differential": others}}
    found = examine(answer, syndrome="blood_stasis", record=record(), table=TABLE).to_report()
    json.loads(json.dumps(found, allow_nan=False).encode("ascii"))
    pointers = [p for row in found["steps"] for p in row["evidence"]]
    for row in [found["working"] or {}, *found["differential"]]:
        pointers += [*row.get("supported_by", []), *row.get("less_supported_by", [])]
    for row in found["steps"]:
        assert row["claim"] is None or row["claim"] in TABLE.claims
        assert row["stance"] in ("supports", "against", None)
        assert row["verdict"] in VERDICTS
    for pointer in pointers:
        assert pointer["pointer"] is None or set(pointer["pointer"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789_:.")
        assert pointer["verdict"] in VERDICTS
        assert (pointer["value"] is None) == (pointer["pointer"] not in record().values)


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(STEP, max_size=8))
def test_a_supported_step_stays_supported_alone(steps: list[Any]) -> None:
    """Other steps can only strike a step, never support it."""
    together = check(steps, record(), TABLE)
    for number, row in enumerate(together):
        if row.is_supported:
            assert check([steps[number]], record(), TABLE)[0].is_supported
