"""The scope rule and the merge of findings: deterministic, at the manifest's thresholds."""

from __future__ import annotations

import pytest

from edge_agent.agents.abstention import Kept, keep
from edge_agent.agents.representation import Described, merge, regions_not_seen, render_findings, sites_seen
from edge_agent.agents.scope import decide
from edge_agent.contracts.case import AgentOutput, FieldValue, Finding
from edge_agent.contracts.manifest import FieldCalibration, Thresholds
from tests.simulators.cases import view

THRESHOLDS = Thresholds(lesion_visible=0.6, in_scope_family=0.7, danger_family=0.2, not_skin=0.5)
LESION = {"lesion_visible": 0.95, "normal_skin": 0.05}
SCALY = {"papulosquamous": 0.9, "eczematous": 0.1}


def finding(index: int, applicability: dict[str, float], family: dict[str, float]) -> Finding:
    fields = {}
    for name, candidates in (("applicability", applicability), ("family", family)):
        best = max(candidates, key=candidates.__getitem__)
        fields[name] = FieldValue(best, candidates[best], candidates)
    value = {name: field.value for name, field in fields.items()}
    return Finding(index, AgentOutput("recognition", "describe", "", value, fields, 2, 9))


def reasons(*findings: Finding) -> tuple[str, list[tuple[str, int | None]]]:
    scope = decide(findings, THRESHOLDS)
    return scope.decision, [(a.reason, a.view) for a in scope.abstentions]


def test_one_clear_view_is_enough() -> None:
    """In scope iff some view shows the family and none shows danger."""
    assert reasons(finding(0, LESION, SCALY)) == ("in_scope", [])
    assert reasons(finding(0, {"normal_skin": 0.9, "lesion_visible": 0.1}, SCALY), finding(1, LESION, SCALY)) == (
        "in_scope",
        [],
    )


@pytest.mark.parametrize(
    ("lesion", "family", "decision"),
    [(0.6, 0.7, "in_scope"), (0.59, 0.7, "abstained"), (0.6, 0.69, "abstained")],
)
def test_the_thresholds_are_inclusive(lesion: float, family: float, decision: str) -> None:
    """A probability at its threshold counts; just below it does not."""
    candidates = (
        {"lesion_visible": lesion, "cannot_tell": 1 - lesion},
        {"papulosquamous": family, "other": 1 - family},
    )
    assert reasons(finding(0, *candidates))[0] == decision


@pytest.mark.parametrize(
    "danger", ["bullous", "pustular", "purpuric", "pigmented_lesion", "nodule_tumour", "ulcer_erosion"]
)
def test_a_danger_family_in_any_view_ends_the_scope(danger: str) -> None:
    """Even as the second candidate, and even beside a clear view."""
    suspicious = finding(1, LESION, {"papulosquamous": 0.8, danger: 0.2})
    assert reasons(finding(0, LESION, SCALY), suspicious) == ("out_of_scope", [("out_of_scope_condition", None)])


def test_dangers_are_counted_together() -> None:
    """0.12 and 0.12 of two danger families is 0.24 of danger."""
    split = {"papulosquamous": 0.76, "pigmented_lesion": 0.12, "nodule_tumour": 0.12}
    assert reasons(finding(0, LESION, split))[0] == "out_of_scope"


def test_another_family_is_out_of_scope() -> None:
    """Eczema is seen well and is not ours."""
    assert reasons(finding(0, LESION, {"eczematous": 0.95, "papulosquamous": 0.05})) == (
        "out_of_scope",
        [("out_of_scope_condition", None)],
    )


@pytest.mark.parametrize(
    ("applicability", "reason"),
    [
        ({"normal_skin": 0.9, "lesion_visible": 0.1}, "no_lesion_visible"),
        ({"pigment_change_only": 0.9, "lesion_visible": 0.1}, "no_lesion_visible"),
        ({"cannot_tell": 0.9, "lesion_visible": 0.1}, "low_confidence"),
    ],
)
def test_pictures_that_show_nothing_end_in_an_abstention(applicability: dict[str, float], reason: str) -> None:
    """The reason says what was wrong with the pictures."""
    assert reasons(finding(0, applicability, {"cannot_tell": 0.9, "other": 0.1})) == ("abstained", [(reason, None)])


def test_a_picture_that_is_not_skin_is_set_aside_and_named() -> None:
    """One picture of the floor does not spoil the case, but no later agent sees it."""
    floor = finding(1, {"not_skin": 0.5, "lesion_visible": 0.5}, {"cannot_tell": 0.9, "other": 0.1})
    scope = decide((finding(0, LESION, SCALY), floor), THRESHOLDS)
    assert (scope.decision, scope.readable) == ("in_scope", (0,))
    assert [(a.reason, a.view) for a in scope.abstentions] == [("not_skin", 1)]
    assert reasons(floor) == ("abstained", [("not_skin", 1)])


def test_a_value_below_its_threshold_is_withheld_and_named() -> None:
    """Each kind of field has its own nothing-value; the threshold is inclusive and only its own field's."""
    value = {"colour": ["bright_red"], "induration": 3, "scale_type": "none", "border": "irregular", "family": "other"}
    chances = {"colour": 0.4, "induration": 0.4, "scale_type": 0.4, "border": 0.5, "family": 0.1}
    fields = {name: FieldValue(value[name], chances[name]) for name in value}
    output = AgentOutput("recognition", "describe", "", value, fields, 0, 0)
    floor = FieldCalibration(min_confidence=0.5)
    watched = {f"recognition.{name}": floor for name in value if name != "family"}
    kept, withheld = keep(output, THRESHOLDS.model_copy(update={"fields": watched}), view=2)
    assert {name: row.value for name, row in kept.items()} == {
        "colour": ["cannot_tell"],
        "induration": None,
        "scale_type": "cannot_tell",
        "border": "irregular",
        "family": "other",
    }
    assert [(a.reason, a.view, a.field) for a in withheld] == [
        ("low_confidence", 2, name) for name in ("colour", "induration", "scale_type")
    ]


def described(index: int, shot: str | None, **fields: tuple[object, float]) -> Described:
    kept = {name: Kept(value, p, is_decided=True, is_withheld=False) for name, (value, p) in fields.items()}
    return Described(view(index, 1, shot=shot), kept)


def test_the_merge_unites_lists_and_takes_the_highest_grade() -> None:
    """Section 3: union for lists, maximum for grades, the most confident value else; unknown never wins."""
    merged = merge(
        [
            described(0, None, colour=(["pale_red"], 0.6), induration=(1, 0.9), border=("irregular", 0.6)),
            described(1, None, colour=(["dark_red"], 0.8), induration=(3, 0.4), border=("well_defined", 0.7)),
            described(2, None, colour=(["cannot_tell"], 0.99), induration=(None, 0.99), border=("cannot_tell", 0.99)),
        ]
    )
    assert merged.dominant["colour"] == ["dark_red", "pale_red"]
    assert merged.dominant["induration"] == 3
    assert merged.dominant["border"] == "well_defined"
    assert merged.dominant["shape"] == ["cannot_tell"]
    assert merged.conflicts == (("colour", 0, 1), ("induration", 0, 1), ("border", 0, 1))


def test_reason_reads_the_most_confident_near_view() -> None:
    """An overview counts only where no nearer view tells anything."""
    merged = merge(
        [
            described(0, "overview", colour=(["bright_red"], 0.99), scale_type=("fine_branny", 0.7)),
            described(1, "close_up", colour=(["dark_red"], 0.6), scale_type=("cannot_tell", 0.9)),
            described(2, None, colour=(["pale_red"], 0.5), induration=(None, 0.9)),
        ]
    )
    assert merged.leading == {
        "colour": ["dark_red"],
        "scale_type": "fine_branny",
        "induration": None,
        "shape": ["cannot_tell"],
    }


def test_no_conflict_is_lost() -> None:
    """Evidence is checked against all of them, the family too; what belongs to one picture alone is none."""
    one = dict.fromkeys(("family", "border", "arrangement", "scale_type", "count_in_view"), ("linear", 0.9))
    lists = {name: (["x"], 0.9) for name in ("colour", "shape", "primary_lesion", "secondary_change")}
    other = {name: (["y"] if name in lists else "mixed", 0.9) for name in (*one, *lists)}
    found = merge([described(0, None, **one, **lists), described(1, None, **other)]).conflicts
    assert {name for name, _, _ in found} == {*one, *lists} - {"count_in_view"}


def test_absent_is_not_merged_with_what_another_view_shows() -> None:
    """Section 0.2: "none" beside a sign contradicts itself; alone it stands."""
    merged = merge(
        [
            described(0, None, secondary_change=(["none"], 0.9)),
            described(1, None, secondary_change=(["scale"], 0.6)),
        ]
    )
    assert merged.dominant["secondary_change"] == ["scale"]
    assert merge([described(0, None, secondary_change=(["none"], 0.9))]).dominant["secondary_change"] == ["none"]


def test_sites_and_regions_come_from_the_form() -> None:
    """Section 3a: a tongue shows no skin of the head, a picture without a site no region for sure."""
    rows = [
        Described(view(0, 1, shot="close_up", body_site="elbow"), {}),
        Described(view(1, 1, shot="tongue", body_site="lips_mouth"), {}),
        Described(view(2, 1, shot="close_up", body_site="toenail"), {}),
        Described(view(3, 1, shot="close_up", body_site="genital"), {}),
        Described(view(4, 1), {}),
        Described(view(5, 1, shot="regional", body_site="elbow"), {}),
    ]
    assert regions_not_seen(rows) == ("head", "lower")
    assert regions_not_seen(rows[4:5]) == ("head", "upper", "trunk", "lower", "nails", "genital")
    assert [site for site, _ in sites_seen(rows)] == ["elbow", "lips_mouth", "toenail", "genital"]


def test_findings_are_rendered_for_a_rep_that_reads_texts() -> None:
    """One line per view, decided fields only."""
    rows = [described(0, None, colour=(["dark_red"], 0.6), induration=(None, 0.5))]
    assert render_findings(rows) == "view 1 colour dark_red induration cannot_tell"
