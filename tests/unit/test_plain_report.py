"""The report on the screen: words for the nurse, codes in the details, nothing left out."""

from __future__ import annotations

import pytest

from edge_agent.agents.report.parts import Line, Listing, Page, Section
from edge_agent.kiosk.plain_report import without_code, without_codes


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RF-01 T1 emergency: transfer now · Bite protocol.", "T1 emergency: transfer now · Bite protocol."),
        ("Not assessed RF-02 (missing: pulse)", "Not assessed (missing: pulse)"),
        ("未评估 TR-08(缺:肤色)", "未评估(缺:肤色)"),
        ("TR-01: severe, on the face", "severe, on the face"),
        ("TR-01:严重", "严重"),
        ("TR-01：严重", "严重"),
        ("未评估 TR-08（缺：肤色）", "未评估（缺：肤色）"),
        ("未评估：T1：RF-02，RF-07", "未评估：T1：2"),
        ("Not assessed: 9 of 28: T1: RF-02, RF-07, RF-24; T3: RF-23", "Not assessed: 9 of 28: T1: 3; T3: 1"),
        ("未评估:T1:RF-02、RF-07", "未评估:T1:2"),
        ("no code here, T4", "no code here, T4"),
    ],
)
def test_a_line_loses_its_codes(before: str, after: str) -> None:
    """At the head, before a bracket and in a list, in English and Chinese."""
    assert without_code(before) == after


def _page(*sections: Section) -> Page:
    return Page("Report", "", (), Line(""), sections)


def test_the_details_repeat_every_line_that_had_a_code() -> None:
    """A clinician finds the same words as on paper."""
    danger = Section(1, "section_red_flags", "Danger", (Line("RF-26 T1 · Bite protocol."), Line("because: bite")))
    page, details = without_codes(_page(danger))
    assert page.sections[0].blocks == (Line("T1 · Bite protocol."), Line("because: bite"))
    assert details == {"section_red_flags": ("RF-26 T1 · Bite protocol.",)}


def test_a_list_of_rules_goes_to_the_details_as_a_whole() -> None:
    """Twenty rules with what each lacks are no reading for a worker; another list stays."""
    limits = Section(10, "section_limits", "Limits", (Listing("Rules", ("RF-02: pulse",)), Listing("Else", ("a",))))
    page, details = without_codes(_page(limits))
    assert page.sections[0].blocks == (Listing("Else", ("a",)),)
    assert details == {"section_limits": ("Rules", "RF-02: pulse")}
