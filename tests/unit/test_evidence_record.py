"""Rules of the record: what a reasoning step may point at, and the text that Reason reads."""

from __future__ import annotations

from typing import Any

from edge_agent.agents.abstention import Kept
from edge_agent.agents.evidence.record import REASON_FIELDS, Record, field_of, record_of, render
from edge_agent.agents.representation import Described, Lead, merge
from edge_agent.contracts.intake import Intake
from tests.simulators.cases import view

INTAKE: dict[str, Any] = {"duration": "one_day", "pulse": ["rough", "thready"], "tongue": {"coating_texture": []}}
LEADS = {"family": Lead(0, "papulosquamous"), "colour": Lead(1, ["dark_red"]), "shape": Lead(0, ["cannot_tell"])}


def record(**changed: Any) -> Record:
    parts: dict[str, Any] = {"representation": {"symmetry": "symmetric"}, "intake": INTAKE, **changed}
    return record_of(parts.pop("leads", LEADS), **parts)


def test_the_record_keeps_what_nobody_examined() -> None:
    """Every field has its line, in one order, whatever is missing; different kinds of nothing stay different."""
    bare = record_of({}, representation={}, intake={"new_lesions_two_weeks": "unknown", "pulse": ["not_examined"]})
    rows = dict(line.split(" ", 1) for line in render(bare, REASON_FIELDS).splitlines())
    assert list(rows) == [f for f in REASON_FIELDS if f.startswith(("representation.", "intake."))]
    assert set(rows.values()) == {"cannot_tell", "not_examined", "unknown"}
    assert {rows[f] for f in rows if f.startswith("representation.")} == {"cannot_tell"}
    assert rows["intake.pulse"] == "not_examined"


def test_the_prompt_lists_the_fields_that_are_asked_for() -> None:
    """One line per pointer, in the record's order and not in the order of the question."""
    fields = ["intake.pulse", "view.shape", "view.colour", "previous.stage", "previous.syndrome"]
    earlier = record(previous={"stage": "progressive"})
    assert render(earlier, fields) == (
        "view:2.colour dark_red\nview:1.shape cannot_tell\nintake.pulse rough thready\n"
        "previous.stage progressive\nprevious.syndrome not_examined"
    )


def test_a_first_visit_has_no_earlier_evidence() -> None:
    """Without a previous visit its pointers do not exist, so that their absence is not missing information."""
    assert not [pointer for pointer in record().values if pointer.startswith("previous.")]


def test_the_field_of_a_pointer() -> None:
    """Only the view number goes."""
    assert field_of("view:12.colour") == "view.colour"
    assert field_of("intake.tongue.body_colour") == "intake.tongue.body_colour"


def test_the_leading_view_of_the_merge_is_the_pointer() -> None:
    """The most confident near view leads, by its number in the visit; where none tells, the first readable one."""
    views = [view(index, 1, shot=shot) for index, shot in ((1, "overview"), (2, "close_up"), (4, "regional"))]
    told = [{"colour": (["pale_red"], 0.99)}, {"colour": (["dark_red"], 0.6)}, {"colour": (["bright_red"], 0.9)}]
    described = [
        Described(seen, {name: Kept(value, p, is_decided=True, is_withheld=False) for name, (value, p) in row.items()})
        for seen, row in zip(views, told, strict=True)
    ]
    merged = merge(described)
    assert merged.leads["colour"] == Lead(4, ["bright_red"])
    assert merged.leads["induration"] == Lead(1, None)
    found = record(leads=merged.leads, conflicts=merged.conflicts)
    assert found.values["view:5.colour"] == ("bright_red",)
    assert found.values["view:2.induration"] == "cannot_tell"
    assert found.disputed == {"view:5.colour"}
    assert merge([]).leads == {}


def test_a_form_is_read_as_it_is_stored() -> None:
    """Every intake field of the record exists in the form, so that a renamed field cannot silently become unknown."""
    form = Intake.model_validate(
        {
            "duration": "one_day",
            "new_lesions_two_weeks": "yes",
            "new_drug_within_8_weeks": "no",
            "tcm_examiner": "tcm_practitioner",
            "tongue": {
                "body_colour": "red", "body_feature": ["thin"], "coating_colour": "white", "coating_texture": ["dry"],
                "sublingual_veins": "normal",
            },
            "pulse": ["rapid"],
            "general": {"menstrual_irregular": "no", "sore_throat": "yes"},
        }
    )  # fmt: skip
    found = record(intake=form.model_dump(mode="json")).values
    untold = {p for p in found if p.startswith("intake.") and found[p] == "not_examined"}
    assert all(pointer.startswith("intake.general.") for pointer in untold)
    assert len(untold) == 11
    assert found["intake.general.sore_throat"] == "yes"
