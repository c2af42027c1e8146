"""What happens around a picture of a consultation: the mark that tells who it is, damage, refusals, the trail."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.contracts.case import Frame
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import StoreError
from edge_agent.interop.request import why_kept
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.taps import new_token
from edge_agent.policy.camera import PictureKind
from edge_agent.policy.sharing import secondary_use_rule
from edge_agent.store.accounts import Role
from edge_agent.store.pictures import encode_png
from edge_agent.store.vault import ImageKind
from tests.simulators.consultation_kiosk import DrawnCamera, ScriptedGate, Verdict, consultation_kiosk, drawn_skin
from tests.simulators.consultations import steps
from tests.simulators.kiosk_parts import Browser, HandClock


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield built


@pytest.fixture
def browser(parts: KioskParts) -> Browser:
    found = Browser(parts).come_in()
    found.sign_in(found.account())
    return found


def _room(browser: Browser) -> ConsultationParts:
    assert browser.parts.consultation is not None
    return browser.parts.consultation


def _at_the_camera(browser: Browser, *, site: str = "elbow") -> str:
    """Begin a consultation through the page and come to the pictures of one site, of which nothing was asked yet."""
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    for answer in steps()[: QUESTIONS.index(Step.SITES)]:
        _room(browser).consultations.change(case_id, answer)
    browser.submit(f"/consultation/{case_id}/sites", **{f"site.{site}": "left"})
    return case_id


def _draft(browser: Browser, case_id: str) -> Draft:
    return _room(browser).consultations.draft(case_id)


def _take(browser: Browser, case_id: str, shot: str = "overview", **more: str) -> None:
    form = {"once": new_token(), "site": "0", "shot": shot, **more}  # each a page that was shown anew
    browser.submit(f"/consultation/{case_id}/capture", **form)


def _ask(browser: Browser, case_id: str, **answers: str) -> None:
    browser.submit(f"/consultation/{case_id}/asked", site="0", **answers)


def _to_the_own_view(browser: Browser, case_id: str) -> None:
    for answer in steps()[QUESTIONS.index(Step.VIEWS) : QUESTIONS.index(Step.IMPRESSION)]:
        _room(browser).consultations.change(case_id, answer)


def _hand_over(browser: Browser, case_id: str, **form: str) -> str:
    _to_the_own_view(browser, case_id)
    return str(browser.submit(f"/consultation/{case_id}/impression", tier="T4_routine", **form).headers["location"])


def _tend(browser: Browser) -> list[str]:
    """Finish hand-overs as the daemon does every hour; return what has to wait."""
    room, parts = _room(browser), browser.parts
    return room.consultations.finish_hand_overs(desk=parts.desk, rules=room.course, now=parts.clock())


def _damage(browser: Browser, image_id: str) -> None:
    _room(browser).vault.path_of(image_id).write_bytes(secrets.token_bytes(400))


def test_the_camera_opens_only_after_the_question_about_marks(browser: Browser) -> None:
    """R6: whether the place shows a tattoo or birthmark is asked before its first picture, and asked in words."""
    case_id = _at_the_camera(browser)
    assert "tattoo, a birthmark, jewellery" in browser.get(f"/consultation/{case_id}").text
    assert browser.get(f"/consultation/{case_id}/hint/0/overview").status_code == 403
    _take(browser, case_id)
    assert _draft(browser, case_id).views == ()
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    assert [view.kind for view in _draft(browser, case_id).views] == ["ordinary"]


def test_a_place_with_a_mark_is_asked_about_before_each_picture(browser: Browser) -> None:
    """R6: the person agrees to each picture that shows who it is; each is of the class for identifying ones."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="yes")
    _take(browser, case_id)
    assert _draft(browser, case_id).views == ()
    _ask(browser, case_id, asked_now="yes")
    _take(browser, case_id)
    _take(browser, case_id, "regional")
    assert [(view.shot, view.kind) for view in _draft(browser, case_id).views] == [("overview", "identifying")]
    image_id = _draft(browser, case_id).views[0].image_id
    assert _room(browser).vault.kind(image_id) is ImageKind.IDENTIFYING


def test_a_mark_that_is_seen_on_the_picture_is_said_afterwards(browser: Browser) -> None:
    """R6: one press marks a picture that was taken; the next one of the place is asked for."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    image_id = _draft(browser, case_id).views[0].image_id
    browser.submit(f"/consultation/{case_id}/pictures/{image_id}/mark")
    assert [(view.kind, view.has_mark) for view in _draft(browser, case_id).views] == [("identifying", True)]
    _take(browser, case_id, "regional")
    assert len(_draft(browser, case_id).views) == 1


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_marked_picture_stays_marked_in_the_case(browser: Browser, *, is_marked: bool) -> None:
    """At the hand-over the class is kept, and the rules of sharing follow: not in a package, of no other use (R5, R6)."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="yes" if is_marked else "no")
    _ask(browser, case_id, asked_now="yes")
    _take(browser, case_id, "close_up")
    _hand_over(browser, case_id)
    kind = ImageKind.IDENTIFYING if is_marked else ImageKind.ORDINARY
    assert [view.kind for view in browser.parts.cases.views(case_id)] == [kind]
    case = browser.parts.cases.load(case_id)
    assert [view.has_mark for view in case.views] == [is_marked]
    assert [note.has_mark for note in case.intake.views] == [is_marked]
    assert (why_kept(case.views[0], Vocabulary.load()) is not None) is is_marked
    rule = secondary_use_rule(
        _room(browser).course.permits.policy, case.consent, kind=PictureKind(kind.value), use="golden"
    )
    assert (rule.reason is not None and rule.reason.value == "identifying") is is_marked


def test_a_face_is_not_asked_about_marks(browser: Browser) -> None:
    """It is identifying anyway: one question less."""
    case_id = _at_the_camera(browser, site="ear")
    assert "jewellery" not in browser.get(f"/consultation/{case_id}").text


def test_refusals_are_counted_by_reason_in_the_case_and_on_the_device(parts: KioskParts) -> None:
    """Two blurred tries and one dark one: the numbers stand in the case and go to the device's counter; no picture does."""
    counted: list[str] = []
    assert parts.consultation is not None
    told = replace(parts, consultation=replace(parts.consultation, on_refused=counted.append))
    browser = Browser(told).come_in()
    browser.sign_in(browser.account())
    gate = parts.consultation.gate
    assert isinstance(gate, ScriptedGate)
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    for reasons in (("blur_focus",), ("blur_focus", "too_dark")):
        gate.says = Verdict("refused", reasons)
        _take(browser, case_id)
    assert not list(parts.consultation.vault.files())
    _take(browser, case_id, keep="yes")
    _hand_over(browser, case_id)
    case = parts.cases.load(case_id)
    assert case.photography == Photography(refusals={"blur_focus": 2, "too_dark": 1})
    assert counted == ["blur_focus", "blur_focus", "too_dark"]
    assert [note.reasons for note in case.intake.views] == [("blur_focus", "too_dark")]


def test_a_damaged_picture_is_asked_for_again_while_the_visit_is_open(browser: Browser) -> None:
    """The pages say which one it is; removing it and going on is possible, and the visit is not handed over blindly."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    image_id = _draft(browser, case_id).views[0].image_id
    _damage(browser, image_id)
    assert "Remove it and take it again." in browser.get(f"/consultation/{case_id}").text
    assert _hand_over(browser, case_id) == f"/consultation/{case_id}"
    assert _draft(browser, case_id).step is Step.IMPRESSION
    assert "Go back to the pictures" in browser.get(f"/consultation/{case_id}").text


def test_a_visit_goes_on_without_a_damaged_picture(browser: Browser) -> None:
    """The others are kept, the case says which one is missing, and the worker reads it."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    _take(browser, case_id, "close_up")
    _damage(browser, _draft(browser, case_id).views[0].image_id)
    _hand_over(browser, case_id, without_damaged="yes")
    case = browser.parts.cases.load(case_id)
    assert [view.shot for view in case.views] == ["close_up"]
    assert [(note.shot, note.body_site) for note in case.photography.lost] == [("overview", "elbow")]
    assert _actions(browser).count("picture_damaged") == 1
    assert len(case.intake.views) == 1
    assert "the report says that one is missing" in browser.get(f"/consultation/{case_id}").text


def test_damage_after_the_last_answer_stops_no_hand_over(browser: Browser) -> None:
    """A picture that is lost in a power cut after the visit was finished: the case goes on at the next start."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    _to_the_own_view(browser, case_id)
    _room(browser).consultations.change(case_id, steps()[-1])
    _room(browser).vault.path_of(_draft(browser, case_id).views[0].image_id).unlink()
    assert _tend(browser) == []
    assert len(browser.parts.cases.load(case_id).photography.lost) == 1


def test_a_picture_that_cannot_be_opened_just_now_is_not_given_up(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files say nothing about the picture: the hand-over waits, and nothing is shredded."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    _to_the_own_view(browser, case_id)
    _room(browser).consultations.change(case_id, steps()[-1])
    room, image_id = _room(browser), _draft(browser, case_id).views[0].image_id

    def refuses(_path: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuses)
        with pytest.raises(StoreError, match="try again later"):
            room.vault.get(image_id)
        assert _tend(browser) == [case_id]
    assert _tend(browser) == []
    assert len(browser.parts.cases.load(case_id).views) == 1


def test_a_look_at_a_drafts_picture_is_logged_with_the_picture(browser: Browser) -> None:
    """R13: by name, with the case, and which picture it was."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    image_id = _draft(browser, case_id).views[0].image_id
    browser.get(f"/consultation/{case_id}/pictures/{image_id}.png")
    newest = browser.parts.audit.newest(1)[0]
    assert (newest.action, newest.case_ref, newest.detail) == ("picture_viewed", case_id, image_id)


class Meanwhile(ScriptedGate):
    """A gate during whose first look something else happens, as with two taps or two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], object] | None = None

    def judge(self, frames: Sequence[Frame], *, shot: str | None, site: str | None) -> Verdict:
        """Let it happen once, then judge."""
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().judge(frames, shot=shot, site=site)


@pytest.fixture
def meanwhile(parts: KioskParts) -> tuple[Browser, Meanwhile]:
    """Give a browser whose gate lets something happen between the picture and its keeping."""
    gate = Meanwhile()
    assert parts.consultation is not None
    browser = Browser(replace(parts, consultation=replace(parts.consultation, gate=gate))).come_in()
    browser.sign_in(browser.account())
    return browser, gate


def test_a_double_tap_keeps_one_picture_of_a_face(meanwhile: tuple[Browser, Meanwhile]) -> None:
    """R6: the person said yes to one picture; the second of two taps keeps none, in draft, vault and trail."""
    browser, gate = meanwhile
    case_id = _at_the_camera(browser, site="ear")
    _ask(browser, case_id, asked_now="yes")
    gate.happens = lambda: _take(browser, case_id)
    _take(browser, case_id)
    assert len(_draft(browser, case_id).views) == 1
    assert len(list(_room(browser).vault.files())) == 1
    assert _actions(browser).count("picture_taken") == 1


def _shown(browser: Browser, case_id: str) -> str:
    """Return the token of the forms on the camera's page, as it is shown now."""
    tokens = re.findall(r'name="once" value="([^"]+)"', browser.get(f"/consultation/{case_id}").text)
    assert len(set(tokens)) == 1
    return str(tokens[0])


def test_a_second_tap_keeps_no_second_picture_of_an_ordinary_site(browser: Browser) -> None:
    """One tap is one picture: the form that was sent before is answered as before; in draft, vault and trail is one."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    token = _shown(browser, case_id)
    for _tap in range(3):
        _take(browser, case_id, once=token)
    assert len(_draft(browser, case_id).views) == 1
    assert len(list(_room(browser).vault.files())) == 1
    assert _actions(browser).count("picture_taken") == 1
    _take(browser, case_id, once=_shown(browser, case_id))
    assert len(_draft(browser, case_id).views) == 2


def test_two_taps_at_once_keep_one_picture_and_read_the_same(parts: KioskParts) -> None:
    """The second waits for the first: what was wrong with the picture is said to whichever the browser shows, counted once."""
    gate = Meanwhile()
    gate.says = Verdict("refused", ("blur_focus",))
    assert parts.consultation is not None
    browser = Browser(replace(parts, consultation=replace(parts.consultation, gate=gate))).come_in()
    browser.sign_in(browser.account())
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    form = {"csrf": browser.csrf(), "once": _shown(browser, case_id), "site": "0", "shot": "overview"}

    def tap() -> tuple[int, str]:
        answer = browser.post(f"/consultation/{case_id}/capture", data=form)
        return answer.status_code, answer.text

    with ThreadPoolExecutor(1) as second_finger:
        later: list[Future[tuple[int, str]]] = []
        gate.happens = lambda: later.append(second_finger.submit(tap))
        first = tap()
        assert later[0].result() == first
    assert first[0] == 422 and "out of focus" in first[1]
    assert _draft(browser, case_id).refusals == {"blur_focus": 1}


def test_a_second_tap_on_a_file_keeps_it_once(browser: Browser) -> None:
    """The same for a picture file."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    form = {"csrf": browser.csrf(), "once": _shown(browser, case_id), "site": "0", "shot": "overview"}
    for _tap in range(2):
        browser.post(
            f"/consultation/{case_id}/import",
            data=form,
            files={"picture": ("a.png", encode_png(drawn_skin()), "image/png")},
        )
    assert len(_draft(browser, case_id).views) == 1


def test_a_form_without_a_token_takes_no_picture(browser: Browser) -> None:
    """Fail closed: what no page of this start has shown does nothing."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    for token in ("", "short", "x" * 65):
        _take(browser, case_id, once=token)
    assert _draft(browser, case_id).views == ()


def test_a_form_whose_picture_could_not_be_kept_may_be_sent_again(browser: Browser) -> None:
    """A disk that was full for a moment costs no picture: nothing was done, so nothing is remembered."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    token = _shown(browser, case_id)
    _filled_up(browser)
    _take(browser, case_id, once=token)
    assert _draft(browser, case_id).views == ()
    with browser.parts.database.transaction() as connection:
        connection.execute("DROP TRIGGER no_room")
    _take(browser, case_id, once=token)
    assert len(_draft(browser, case_id).views) == 1


def test_a_stop_during_the_burst_keeps_no_picture(meanwhile: tuple[Browser, Meanwhile]) -> None:
    """R9: a sign of abuse that is entered while the picture is judged comes first; the picture is not kept."""
    browser, gate = meanwhile
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    signs: dict[Any, Any] = {"disclosure_of_abuse": "yes"}
    course, consultations = _room(browser).course, _room(browser).consultations

    def told() -> None:
        consultations.change(case_id, lambda draft: course.kept(draft.changed(danger_signs=signs)))
        consultations.change(case_id, course.read)

    gate.happens = told
    _take(browser, case_id)
    assert (_draft(browser, case_id).step, _draft(browser, case_id).views) == (Step.VIEWS, ())
    assert not list(_room(browser).vault.files())


@pytest.mark.parametrize("action", ["capture", "import"])
@pytest.mark.parametrize("picture", [None, b"no picture"])
def test_a_camera_page_that_was_left_open_leads_to_the_present_step(
    browser: Browser, action: str, picture: bytes | None
) -> None:
    """Before any site was chosen, without a camera or with a broken file: no error, and nothing is kept."""
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    camera = browser.parts.camera
    assert isinstance(camera, DrawnCamera)
    camera.is_on = False
    files = None if picture is None else {"picture": ("a.png", picture, "image/png")}
    form = {"csrf": browser.csrf(), "once": new_token(), "site": "0", "shot": "close_up"}
    answer = browser.post(f"/consultation/{case_id}/{action}", data=form, files=files)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/consultation/{case_id}")
    assert _draft(browser, case_id).step is Step.DANGER_SIGNS


def test_a_picture_that_is_removed_stands_in_the_trail(browser: Browser) -> None:
    """Who let it go and which one it was, once, in words on the page of the trail."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    image_id = _draft(browser, case_id).views[0].image_id
    for _twice in range(2):
        browser.submit(f"/consultation/{case_id}/pictures/{image_id}/remove")
    rows = [row for row in browser.parts.audit.entries() if row.action == "picture_removed"]
    assert [(row.case_ref, row.detail) for row in rows] == [(case_id, image_id)]
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    assert "removed a picture" in browser.get("/audit").text


def test_a_picture_that_a_later_answer_forbids_stands_in_the_trail(browser: Browser) -> None:
    """Another place is chosen: the picture of the first one goes, and whoever chose stands beside it."""
    case_id = _at_the_camera(browser)
    _ask(browser, case_id, has_mark="no")
    _take(browser, case_id)
    image_id = _draft(browser, case_id).views[0].image_id
    browser.submit(f"/consultation/{case_id}/back")
    browser.submit(f"/consultation/{case_id}/sites", **{"site.knee": "left"})
    assert _draft(browser, case_id).views == ()
    rows = [
        (row.who, row.case_ref, row.detail)
        for row in browser.parts.audit.entries()
        if row.action == "picture_forbidden"
    ]
    assert rows == [("nurse.li", case_id, image_id)]
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    assert "gave an answer after which a picture had to go" in browser.get("/audit").text


def _actions(browser: Browser) -> list[str]:
    return [entry.action for entry in browser.parts.audit.entries()]


def _filled_up(browser: Browser) -> None:
    """Let every change of a draft fail as on a full disk, while the trail itself can still be written."""
    with browser.parts.database.transaction() as connection:
        connection.execute("CREATE TRIGGER no_room BEFORE UPDATE ON drafts BEGIN SELECT RAISE(ABORT, 'no room'); END")


def test_a_consent_that_was_not_saved_is_not_in_the_trail(browser: Browser) -> None:
    """The row and the consent are one transaction: no row speaks of a consent that nobody can find."""
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    for answer in steps()[: QUESTIONS.index(Step.CONSENT)]:
        _room(browser).consultations.change(case_id, answer)
    _filled_up(browser)
    assert browser.submit(f"/consultation/{case_id}/consent/care_pictures", granted="yes").status_code >= 500
    assert "consent_given" not in _actions(browser)


def test_a_consultation_that_cannot_be_noted_does_not_begin(browser: Browser) -> None:
    """Deed and row stand or fall together: no draft without a row, no row without a draft."""
    with browser.parts.database.transaction() as connection:
        connection.execute("CREATE TRIGGER no_row BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
    csrf = browser.csrf()
    assert browser.post("/consultation", data={"csrf": csrf}).status_code >= 500
    assert _room(browser).consultations.open_drafts() == []
    with browser.parts.database.transaction() as connection:
        connection.execute("DROP TRIGGER no_row")
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    assert [(row.who, row.case_ref) for row in browser.parts.audit.entries() if row.action == "case_begun"] == [
        ("nurse.li", case_id)
    ]


def test_an_answer_about_a_picture_that_was_not_saved_is_not_in_the_trail(browser: Browser) -> None:
    """The same for what is asked before a picture."""
    case_id = _at_the_camera(browser)
    _filled_up(browser)
    _ask(browser, case_id, has_mark="no")
    assert "picture_asked" not in _actions(browser)


def test_a_consent_is_in_the_trail_once_it_is_saved(browser: Browser) -> None:
    """With name, case and purpose; a form of an old page changes nothing and writes nothing."""
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    browser.submit(f"/consultation/{case_id}/consent/care_pictures", granted="yes")
    assert "consent_given" not in _actions(browser)
    for answer in steps()[: QUESTIONS.index(Step.CONSENT)]:
        _room(browser).consultations.change(case_id, answer)
    browser.submit(f"/consultation/{case_id}/consent/care_pictures", granted="yes")
    newest = browser.parts.audit.newest(1)[0]
    assert (newest.who, newest.action, newest.detail) == ("nurse.li", "consent_given", "care_pictures")
