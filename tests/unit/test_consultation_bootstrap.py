"""Looking after drafts at each start: what was cut off is handed over, what nobody consented to is destroyed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from edge_agent.consultation_bootstrap import build_consultation, tend_consultations
from edge_agent.contracts.policy import Policy
from edge_agent.kiosk.picture_gate import ReleasedGate
from edge_agent.store.vault import ImageVault
from tests.simulators.consultation_kiosk import PatientDesk, consultation_kiosk, drawn_skin
from tests.simulators.consultations import NOW, steps


def test_a_start_finishes_hand_overs_and_destroys_what_is_too_old(tmp_path: Path) -> None:
    """One draft was finished when the power went: it becomes a case; one has no consent since yesterday: it goes."""
    with consultation_kiosk(tmp_path) as parts:
        vault = ImageVault(parts.database)
        room = build_consultation(parts.database, cases=parts.cases, vault=vault, policy=Policy())
        finished = room.consultations.begin(owner="worker 1", now=NOW).case_id
        for answer in steps():
            room.consultations.change(finished, answer)
        old = room.consultations.begin(owner="worker 1", now=NOW).case_id
        tended = tend_consultations(
            room, desk=PatientDesk(parts.cases), audit=parts.audit, now=NOW + timedelta(hours=24)
        )
        assert (tended.waiting, tended.expired) == ((), 1)
        assert parts.cases.pending() == [finished]
        assert room.consultations.open_drafts() == []
        assert parts.audit.newest(1)[0].case_ref == old


def test_the_released_gate_accepts_a_sharp_drawing_and_refuses_a_black_frame() -> None:
    """The real measures stand behind the rooms, not the scripted ones."""
    frame = drawn_skin()
    gate = ReleasedGate()
    assert gate.judge([frame], shot="overview", site="elbow").verdict != "refused"
    black = gate.judge([frame * 0], shot="overview", site="elbow")
    assert black.verdict == "refused"
    assert gate.coach([frame * 0], shot="overview").id == "more_light"
