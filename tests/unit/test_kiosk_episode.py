"""The rules of print, of taking a consent back and of an episode's visits: for whom, told of in the trail, done at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.kiosk.case_rooms import vault_of
from edge_agent.kiosk.parts import KioskParts
from edge_agent.review.timeline import VisitPoint, chart
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.paper_press import PaperPress
from tests.simulators.reported_visits import Told, add_visit, golden

MORNING = datetime(2026, 9, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def press() -> PaperPress:
    return PaperPress()


@pytest.fixture
def parts(tmp_path: Path, press: PaperPress) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield replace(built, press=press)


@pytest.fixture
def browser(parts: KioskParts) -> Browser:
    return Browser(parts).come_in()


def _as(browser: Browser, name: str, *roles: Role) -> Browser:
    browser.sign_in(browser.account(name, *roles))
    return browser


def _acts(parts: KioskParts, action: str) -> list[tuple[str, str | None]]:
    rows = parts.database.rows("SELECT who, detail FROM audit WHERE action = ? ORDER BY seq", (action,))
    return [(row[0], row[1]) for row in rows]


def test_a_clinicians_copy_is_a_pdf_and_is_told_of(parts: KioskParts, browser: Browser) -> None:
    """It opens in the page, is kept by no cache, and the trail holds who printed what."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    answer = browser.get("/cases/one/print/report.pdf?audience=clinician&language=zh")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["cache-control"] == "no-store"
    assert _acts(parts, "report_printed") == [("dr.lin", "pdf_clinician")]


def test_a_worker_prints_the_persons_copy_alone(parts: KioskParts, browser: Browser, press: PaperPress) -> None:
    """What only clinicians may see does not reach a worker's paper."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Nurse Li")
    assert browser.get("/cases/one/print/report.pdf?audience=clinician").status_code == 403
    assert "clinician's copy" not in browser.get("/cases/one/print").text
    assert press.pages == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_advice_is_not_printed_in_an_unverified_language(
    parts: KioskParts, browser: Browser, press: PaperPress, language: str
) -> None:
    """Nobody has put a name under the words yet: the person's copy is refused, and the page says why."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Nurse Li")
    assert browser.get(f"/cases/one/print/report.pdf?audience=person&language={language}").status_code == 422
    assert "Nobody has verified this language yet" in browser.get("/cases/one/print").text
    assert press.pages == []


def test_a_practice_device_prints_advice(tmp_path: Path, press: PaperPress) -> None:
    """Where no real person is seen, the person's copy is printed."""
    with consultation_kiosk(tmp_path / "demo", clock=HandClock(), is_demo=True) as built:
        browser = Browser(replace(built, press=press)).come_in()
        add_visit(built, "one", created=MORNING)
        _as(browser, "Nurse Li")
        answer = browser.get("/cases/one/print/report.pdf?audience=person&language=en")
        assert answer.headers["content-type"] == "application/pdf"
        assert [page.language for page in press.pages] == ["en"]


def test_a_letter_goes_to_the_destination_that_was_chosen(parts: KioskParts, browser: Browser) -> None:
    """Any destination of the vocabulary; another one is refused."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Nurse Li")
    letter = browser.get("/cases/one/print/letter.pdf?to=dermatology_in_person&language=en")
    assert letter.headers["content-type"] == "application/pdf", letter.text
    assert browser.get("/cases/one/print/letter.pdf?to=nowhere&language=en").status_code == 422
    assert _acts(parts, "report_printed") == [("nurse.li", "pdf_letter")]


def test_a_file_for_another_system_ends_with_the_consent(parts: KioskParts, browser: Browser) -> None:
    """A clinician saves it; once the package is taken back nobody does."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.get("/cases/one/print/case.fhir.json").json()["resourceType"] == "Bundle"
    browser.submit("/cases/one/withdraw", purpose="referral_package", is_sure="yes")
    assert browser.get("/cases/one/print/case.fhir.json").status_code == 422
    assert "case.fhir.json" not in browser.get("/cases/one/print").text


def test_taking_back_is_asked_twice(parts: KioskParts, browser: Browser) -> None:
    """The first press only says what will happen."""
    add_visit(parts, "one", created=MORNING)
    page = _as(browser, "Nurse Li").submit("/cases/one/withdraw", purpose="care_pictures").text
    assert "Yes, take it back now" in page
    assert "destroy the keys of the pictures" in page
    assert browser.get("/cases/one/pictures/0").status_code == 200


def test_who_has_got_it_is_asked_to_delete_it(parts: KioskParts, browser: Browser) -> None:
    """R11: only where a file has left, the person is told that its receiver will be asked."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    words = "ask the receiver to delete it"
    assert words not in browser.get("/cases/one/withdraw").text
    browser.get("/cases/one/print/case.fhir.json")
    assert words in browser.get("/cases/one/withdraw").text


def test_pictures_are_gone_at_once_and_the_record_is_locked(parts: KioskParts, browser: Browser) -> None:
    """No picture opens, no file is left, nobody decides any more, and the pages say so."""
    add_visit(parts, "one", created=MORNING)
    vault = parts.consultation.vault  # type: ignore[union-attr]
    assert len(list(vault.files())) == 3
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.submit("/cases/one/withdraw", purpose="care_pictures", is_sure="yes").status_code == 303
    assert list(vault.files()) == []
    assert {browser.get(f"/cases/one/pictures/{n}").status_code for n in range(3)} == {404}
    assert browser.submit("/cases/one/accept-open").status_code == 422
    assert "The pictures are destroyed." in browser.get("/cases/one/withdraw").text
    report = browser.get("/cases/one").text
    assert "The pictures are destroyed." in report
    assert "/decide" not in report
    assert _acts(parts, "consent_withdrawn") == [("dr.lin", "care_pictures")]


def test_a_withdrawn_result_never_leaves(parts: KioskParts, browser: Browser) -> None:
    """Withdrawn before the signature: signing sends nothing. The record stays open to decisions."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    browser.submit("/cases/one/withdraw", purpose="deidentified_result", is_sure="yes")
    browser.submit("/cases/one/accept-open")
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 303
    assert parts.database.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_a_refused_consent_cannot_be_taken_back(parts: KioskParts, browser: Browser) -> None:
    """What was never given is shown as that."""
    add_visit(parts, "one", Told(is_synchronised=False), created=MORNING)
    page = _as(browser, "Nurse Li").get("/cases/one/withdraw").text
    assert 'value="deidentified_result"' not in page
    assert 'value="care_pictures"' in page


def _damage(parts: KioskParts, case_id: str = "one") -> None:
    """Make every picture of a case unreadable, as a failing disk does."""
    vault = vault_of(parts)
    for view in parts.cases.views(case_id):
        assert view.image_id is not None
        vault.path_of(view.image_id).write_bytes(b"damaged")


def test_a_damaged_picture_stops_no_withdrawal(parts: KioskParts, browser: Browser) -> None:
    """R11: the page opens, the keys go, the row of the trail is there; nothing of it needs to open a picture."""
    add_visit(parts, "one", created=MORNING)
    _damage(parts)
    _as(browser, "Nurse Li")
    assert 'value="care_pictures"' in browser.get("/cases/one/withdraw").text
    assert browser.submit("/cases/one/withdraw", purpose="care_pictures", is_sure="yes").status_code == 303
    assert parts.database.rows("SELECT count(*) FROM image_keys") == [(0,)]
    assert _acts(parts, "consent_withdrawn") == [("nurse.li", "care_pictures")]


def test_a_damaged_consent_record_stops_no_withdrawal(parts: KioskParts, browser: Browser) -> None:
    """R11: what was granted cannot be read any more, so everything may be taken back; a result that left is called back."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    browser.submit("/cases/one/accept-open")
    browser.submit("/cases/one/sign", confirmed="yes")
    with parts.database.transaction() as connection:
        connection.execute("UPDATE cases SET consent = '{}' WHERE case_id = 'one'")
    page = browser.get("/cases/one/withdraw").text
    assert all(f'value="{purpose}"' in page for purpose in ("care_pictures", "deidentified_result", "training"))
    assert browser.submit("/cases/one/withdraw", purpose="deidentified_result", is_sure="yes").status_code == 303
    assert ("tombstone",) in parts.database.rows("SELECT kind FROM outbox")


def test_a_withdrawal_and_its_row_in_the_trail_stand_or_fall_together(parts: KioskParts, browser: Browser) -> None:
    """Where the trail cannot be written, nothing is taken back, and the page says to try again."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Nurse Li")
    with parts.database.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON audit WHEN NEW.action = 'consent_withdrawn'"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    assert browser.submit("/cases/one/withdraw", purpose="care_pictures", is_sure="yes").status_code >= 500
    assert parts.database.rows("SELECT count(*) FROM withdrawals") == [(0,)]
    assert browser.get("/cases/one/pictures/0").status_code == 200


def test_a_damaged_picture_stops_no_paper(parts: KioskParts, browser: Browser) -> None:
    """Report, letter and FHIR document without pictures need none."""
    add_visit(parts, "one", created=MORNING)
    _damage(parts)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.get("/cases/one/print/report.pdf?audience=clinician&language=en").status_code == 200
    assert browser.get("/cases/one/print/case.fhir.json").status_code == 200


def _point(day: int, *, lineage: str | None = "a", **values: Any) -> VisitPoint:
    told = {"bsa": None, "pasi": None, "pga": None, "treatments": (), **values}
    return VisitPoint(f"case-{day}", MORNING + timedelta(days=day), lineage, tier="T4_routine", **told)


def test_points_of_different_lineage_are_not_joined() -> None:
    """Three visits, the model changed before the third: one line, and a mark at the change."""
    drawn = chart([_point(0, pasi=12.0), _point(30, pasi=8.0), _point(60, lineage="b", pasi=2.0)])
    assert drawn is not None
    assert [len(panel.dots) for panel in drawn.panels] == [3]
    assert [len(panel.runs) for panel in drawn.panels] == [1]
    assert len(drawn.gaps) == 1


def test_a_value_that_nobody_knows_is_no_point() -> None:
    """A visit without a PASI has no dot, and is never drawn as nought; with no number at all there is no drawing."""
    drawn = chart([_point(0, pasi=12.0, pga=3), _point(30, pga=1)])
    assert drawn is not None
    assert [(panel.measure, [dot.visit for dot in panel.dots]) for panel in drawn.panels] == [
        ("pasi", [1]),
        ("pga", [1, 2]),
    ]
    assert chart([_point(0)]) is None


def test_visits_on_one_day_do_not_lie_on_each_other() -> None:
    """Dates that are too near for the labels are spread evenly."""
    drawn = chart([_point(0, pga=1), _point(1, pga=2), _point(300, pga=3)])
    assert drawn is not None
    assert drawn.marks[1] - drawn.marks[0] >= 40


def test_each_treatment_has_a_lane_with_a_mark_at_every_visit_that_plans_it() -> None:
    """A bar joins two visits in a row; a visit without it breaks the bar. Nothing is drawn over a measure."""
    drawn = chart(
        [
            _point(0, pga=3, treatments=("emollient", "steroid_topical_moderate")),
            _point(30, pga=2, treatments=("steroid_topical_moderate",)),
            _point(60, pga=1, treatments=("emollient",)),
        ]
    )
    assert drawn is not None
    one, two, three = drawn.marks
    assert [(lane.treatment, lane.marks, lane.bars) for lane in drawn.lanes] == [
        ("emollient", (one, three), ()),
        ("steroid_topical_moderate", (one, two), ((one, two),)),
    ]
    assert drawn.panels[-1].bottom < drawn.lanes_top < drawn.lanes[0].title < drawn.lanes[0].y < drawn.lanes[1].title
    assert drawn.lanes[-1].y < drawn.lanes_bottom < drawn.height


def test_treatment_is_drawn_where_no_number_is_known() -> None:
    """The plan alone is a course too."""
    drawn = chart([_point(0, treatments=("emollient",)), _point(30)])
    assert drawn is not None
    assert (drawn.panels, [lane.treatment for lane in drawn.lanes]) == ((), ["emollient"])


def test_the_drawing_names_its_treatments(parts: KioskParts, browser: Browser) -> None:
    """In words beside a shape of its own, one mark for each visit; the colour says nothing alone."""
    _two_visits(parts, lineage="test")
    page = _as(browser, "Nurse Li").get("/cases/two/episode").text
    drawing = page[page.index('<svg class="timeline"') : page.index("</section>", page.index('<svg class="timeline"'))]
    assert "Treatment in the plan" in drawing
    assert "emollient" in drawing.lower()
    assert drawing.count('class="given"') == 2 * drawing.count('class="of-lane"') > 0


def _two_visits(parts: KioskParts, *, lineage: str) -> None:
    episode = add_visit(parts, "one", created=MORNING)
    report = golden("psoriasis")
    report["severity"] = {**report["severity"], "bsa_percent": 2.5}
    report["provenance"] = {
        **report["provenance"],
        "bundle": {**report["provenance"]["bundle"], "lineage": lineage},
    }
    add_visit(parts, "two", Told(episode_id=episode), created=MORNING + timedelta(days=56), report=report)


def test_the_visits_stand_in_a_table_too(parts: KioskParts, browser: Browser) -> None:
    """Every number of the drawing is in the table, with urgency and treatment; a new model is said in words."""
    _two_visits(parts, lineage="another")
    page = _as(browser, "Nurse Li").get("/cases/two/episode").text
    table = page[page.index("<tbody>") :]
    assert "<td>6</td><td>8.4</td><td>2</td>" in re.sub(r">\s+<", "><", table)
    assert "<td>2.5</td>" in table
    assert "Managed here" in table
    assert "emollient" in table.lower()
    assert "The program&#39;s model changed" in page


def test_visits_of_one_lineage_carry_no_warning(parts: KioskParts, browser: Browser) -> None:
    """The warning can be absent: with one lineage the points are joined."""
    _two_visits(parts, lineage="test")
    page = _as(browser, "Nurse Li").get("/cases/two/episode").text
    assert "model changed" not in page
    assert 'class="run"' in page


def test_pictures_of_the_same_place_stand_side_by_side(parts: KioskParts, browser: Browser) -> None:
    """The same site and shot of the visit before stands left of the new one; the first visit has no pair."""
    _two_visits(parts, lineage="test")
    page = _as(browser, "Nurse Li").get("/cases/two/episode").text
    assert re.findall(r"/cases/(\w+)/pictures/(\d)", page) == [
        ("one", "0"), ("two", "0"), ("one", "1"), ("two", "1"), ("one", "2"), ("two", "2"),
    ]  # fmt: skip
    assert "/pictures/" not in browser.get("/cases/one/episode").text
