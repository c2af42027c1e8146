"""Looking after drafts at each start: what was cut off is handed over, and nothing else is touched."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from edge_agent.consultation_bootstrap import build_consultation, tend_consultations
from edge_agent.contracts.case import Case
from edge_agent.contracts.policy import Policy
from edge_agent.errors import StoreFull
from edge_agent.kiosk.picture_gate import ReleasedGate
from edge_agent.store.cases import CaseStore
from edge_agent.store.vault import ImageVault
from tests.simulators.consultation_kiosk import PatientDesk, consultation_kiosk, drawn_skin
from tests.simulators.consultations import NOW, steps


def test_a_start_finishes_what_the_power_cut_off(tmp_path: Path) -> None:
    """One draft was finished when the power went: it becomes a case. One without consent stays, whatever the clock says."""
    with consultation_kiosk(tmp_path) as parts:
        vault = ImageVault(parts.database)
        room = build_consultation(parts.database, cases=parts.cases, vault=vault, audit=parts.audit, policy=Policy())
        finished = room.consultations.begin(owner="worker 1", now=NOW).case_id
        for answer in steps():
            room.consultations.change(finished, answer)
        old = room.consultations.begin(owner="worker 1", now=NOW).case_id
        assert tend_consultations(room, desk=PatientDesk(parts.cases), now=NOW + timedelta(days=3650)) == ()
        assert parts.cases.pending() == [finished]
        assert [row.case_id for row in room.consultations.open_drafts()] == [old]


class FullFor(PatientDesk):
    """A desk that has no space for one case."""

    def __init__(self, cases: CaseStore, case_id: str) -> None:
        super().__init__(cases)
        self._unlucky = case_id

    def submit(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:
        """Refuse the one, take the others."""
        if case.case_id == self._unlucky:
            raise StoreFull("no space left for this case: free disk space")
        super().submit(case, language=language, awaits_sign_off=awaits_sign_off)


def test_a_case_that_cannot_be_handed_over_holds_no_other_up(tmp_path: Path) -> None:
    """It is named and stays; the one behind it becomes a case."""
    with consultation_kiosk(tmp_path) as parts:
        vault = ImageVault(parts.database)
        room = build_consultation(parts.database, cases=parts.cases, vault=vault, audit=parts.audit, policy=Policy())
        first, second = (room.consultations.begin(owner="worker 1", now=NOW).case_id for _ in range(2))
        for case_id in (first, second):
            for answer in steps():
                room.consultations.change(case_id, answer)
        assert tend_consultations(room, desk=FullFor(parts.cases, first), now=NOW) == (first,)
        assert parts.cases.pending() == [second]


def test_the_released_gate_accepts_a_sharp_drawing_and_refuses_a_black_frame() -> None:
    """The real measures stand behind the rooms, not the scripted ones."""
    frame = drawn_skin()
    gate = ReleasedGate()
    assert gate.judge([frame], shot="overview", site="elbow").verdict != "refused"
    black = gate.judge([frame * 0], shot="overview", site="elbow")
    assert black.verdict == "refused"
    assert gate.coach([frame * 0], shot="overview").id == "more_light"


def test_refused_pictures_reach_the_devices_numbers(tmp_path: Path) -> None:
    """The rooms tell each reason to whoever counts, and nothing of the person."""
    counted: list[str] = []
    with consultation_kiosk(tmp_path) as parts:
        vault = ImageVault(parts.database)
        room = build_consultation(
            parts.database,
            cases=parts.cases,
            vault=vault,
            audit=parts.audit,
            policy=Policy(),
            on_refused=counted.append,
        )
        room.on_refused("blur_focus")
    assert counted == ["blur_focus"]
