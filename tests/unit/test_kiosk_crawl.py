"""No screen has a hard-coded sentence: every page of every room, in each state that it can be in, in the pseudo-language."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.kiosk.faults import _KNOWN
from edge_agent.kiosk.language import OPENING, PSEUDO
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from edge_agent.store.sent_files import SentFiles
from tests.simulators.consultation_kiosk import PatientDesk, consultation_kiosk
from tests.simulators.consultations import steps
from tests.simulators.kiosk_parts import PIN, Browser, HandClock, filled, routes
from tests.simulators.page_words import pseudo_vocabulary, rule_words, unmarked
from tests.simulators.paper_press import PaperPress
from tests.simulators.reported_visits import Told, add_visit

MORNING = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
# What has no words in any language: codes, sizes, the pseudo-language's own dates, and names of the scripted bundle.
CODES = re.compile(
    r"\b(T[1-5]|(RF|TR)-\d\d|ICD-11|[ES][A-Z]\d\d(\.\d+)?|BSA|PASI|PGA|scripted|TEST|s)\b"
    r"|[A-Z][a-z]{2} \d{1,2}, \d{4}(, \d{1,2}:\d\d(:\d\d)?\s[AP]M)?"
)
# Streams that never end and pictures: no words. Every other GET must have been read.
WORDLESS = {"/events", "/consultation/{case_id}/progress", "/consultation/{case_id}/preview/{place}.mjpeg"}


class Crawl:
    """A browser that remembers every page it was given and which route gave it.

    Every fault that the device can have is told on every page, but for those in ``gone``.
    """

    def __init__(self, parts: KioskParts, gone: set[str]) -> None:
        self.parts = parts
        self.gone = gone
        self.browser = Browser(parts).come_in()
        self.pages: list[tuple[str, str]] = []
        self.read: set[str] = set()
        self.browser.submit("/settings/language", language=PSEUDO)

    def get(self, path: str, **query: Any) -> str:
        """Look at a page; follows where it sends the browser."""
        return self._keep(path, self.browser.get(path, params=query, follow_redirects=True))

    def post(self, path: str, **fields: Any) -> str:
        """Send a form and look at what comes back."""
        answer = self.browser.post(path, data={"csrf": self.browser.csrf(), **fields}, follow_redirects=True)
        return self._keep(path, answer)

    def as_(self, name: str, *roles: Role) -> str:
        """Sign in as a new account, and return its id."""
        account = self.browser.account(name, *roles)
        self.browser.sign_in(account)
        return account.account_id

    def draft(self, at: Step) -> Draft:
        """Begin a consultation and answer up to a step."""
        room = self.parts.consultation
        assert room is not None
        case_id = self.browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
        for answer in steps()[: QUESTIONS.index(at)]:
            room.consultations.change(case_id, answer)
        return room.consultations.draft(case_id)

    def _keep(self, path: str, answer: Any) -> str:
        if answer.status_code == 200 and answer.request.method == "GET":
            self.read |= {one for one in _paths() if re.fullmatch(_pattern(one), answer.request.url.path)}
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.pages.append((path, answer.text))
            return str(answer.text)
        return ""


def _paths() -> list[str]:
    return [path for path, method in routes() if method == "GET"]


def _pattern(path: str) -> str:
    return re.sub(r"\\\{\w+(?::\w+)?\\\}", "[^/]+", re.escape(path))


@pytest.fixture
def crawl(tmp_path: Path) -> Iterator[Crawl]:
    gone: set[str] = set()
    with consultation_kiosk(tmp_path, clock=HandClock(), languages=("en", PSEUDO)) as parts:
        told = replace(
            parts, press=PaperPress(), faults=lambda: tuple(set(_KNOWN) - gone), vocabulary=pseudo_vocabulary()
        )
        yield Crawl(told, gone)


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (190, 140, 120)).save(out, "PNG")
    return out.getvalue()


def _house(crawl: Crawl) -> None:
    """The rooms of the device itself, signed out and in, right and wrong."""
    for path in ("/set-up", "/sign-in", "/emergency", "/blank", "/about", "/nothing"):
        crawl.get(path)
    crawl.post("/set-up", name="A", pin="1", again="1")
    account = crawl.browser.account("Everything", *Role)
    crawl.get("/sign-in", account=account.account_id)
    crawl.post("/sign-in", account=account.account_id, pin="907364")
    crawl.post("/emergency", reason="danger_to_life")
    crawl.get("/")
    crawl.browser.sign_in(account)
    for path in _paths():
        if path not in WORDLESS:
            crawl.get(filled(path, account_id=account.account_id))
    crawl.post("/pin", old=PIN, new="1", again="1")
    crawl.post("/accounts/new", name="", pin="1")
    crawl.get("/accounts/new")
    desk = crawl.parts.desk
    assert isinstance(desk, PatientDesk)
    for stage in ("low", "tight", "full", "ok"):
        desk.storage = stage
        crawl.get("/status")
    crawl.get("/audit", who="everything")


def _consultations(crawl: Crawl) -> None:
    """Every step of a consultation, with answers that are missing, wrong, or that interrupt."""
    crawl.as_("Nurse Li", Role.WORKER, Role.CLINICIAN)
    crawl.get("/consultation/new")
    for at in QUESTIONS:
        here = f"/consultation/{crawl.draft(at).case_id}"
        crawl.get(here)
        crawl.post(f"{here}/{at}")  # nothing was answered
        crawl.post(f"{here}/{at}", age_years="900", duration="for ever", tier="T9", local_reference="x" * 900)
    for signs in ({"sign.breathing_difficulty": "yes"}, {"sign.disclosure_of_abuse": "yes"}):
        here = f"/consultation/{crawl.draft(Step.DANGER_SIGNS).case_id}"
        crawl.post(f"{here}/danger_signs", **signs)
        crawl.get(here)
        crawl.post(f"{here}/read")
    for age in ({"age_years": "10", "sex": "female", "capacity": "full", "guardian_present": "no"},
                {"age_years": "10", "sex": "female", "capacity": "full", "guardian_present": "yes", "can_read": "no"},
                {"age_years": "40", "sex": "male", "capacity": "detained", "can_read": "no"}):  # fmt: skip
        here = f"/consultation/{crawl.draft(Step.AGE).case_id}"
        crawl.post(f"{here}/age", **age)
        crawl.get(here)
    for site in ("elbow", "genital", "face", "other"):
        here = f"/consultation/{crawl.draft(Step.SITES).case_id}"
        crawl.post(f"{here}/sites", **{f"site.{site}": "yes"})
        crawl.get(here)
        crawl.post(f"{here}/capture", site="0", shot="close_up")
    _pictures(crawl)
    crawl.get("/consultation")


def _pictures(crawl: Crawl) -> None:
    """The camera's page with pictures, a refused one and a file that is none; then the case on its way."""
    crawl.gone.update({"disk_tight", "disk_full"})
    draft = crawl.draft(Step.VIEWS)
    here = f"/consultation/{draft.case_id}"
    crawl.post(f"{here}/capture", site="0", shot="close_up", keep="yes")
    upload = {"picture": ("a.png", _png(), "image/png")}
    token = {"csrf": crawl.browser.csrf(), "site": "0", "shot": "overview"}
    crawl._keep(here, crawl.browser.post(f"{here}/import", data=token, files=upload, follow_redirects=True))
    broken = {"picture": ("a.png", b"no picture", "image/png")}
    crawl._keep(here, crawl.browser.post(f"{here}/import", data=token, files=broken, follow_redirects=True))
    crawl.get(here)
    room = crawl.parts.consultation
    assert room is not None
    for view in room.consultations.draft(draft.case_id).views:
        crawl.get(f"{here}/pictures/{view.image_id}.png")
    crawl.get(f"{here}/hint/0/close_up")
    for answer in steps()[QUESTIONS.index(Step.VIEWS) :]:
        room.consultations.change(draft.case_id, answer)
    crawl.post(f"{here}/hand-over")
    crawl.get(here)
    crawl.get(f"/cases/{draft.case_id}")  # no report yet


def _cases(crawl: Crawl) -> None:
    """The rooms of stored cases: open, decided, signed, of two visits, taken back."""
    episode = add_visit(crawl.parts, "one", created=MORNING)
    add_visit(crawl.parts, "two", Told(episode_id=episode, fitzpatrick=6), created=MORNING)
    add_visit(crawl.parts, "three", created=MORNING)
    crawl.as_("Dr Lin", *Role)
    for show in ("open", "second", "due", "all"):
        crawl.get("/cases", show=show)
    for name in ("one", "two"):
        for page in ("", "/episode", "/print", "/print/paper", "/second-reading", "/withdraw", "/pictures/0"):
            crawl.get(f"/cases/{name}{page}")
        crawl.get(f"/cases/{name}/print/paper", sheet="clinician")
        crawl.get(f"/cases/{name}/print/report.pdf", audience="clinician")
        crawl.get(f"/cases/{name}/print/letter.pdf", to="dermatology_in_person")
        crawl.get(f"/cases/{name}/print/letter.pdf", to="nowhere")
        crawl.get(f"/cases/{name}/print/case.fhir.json")
    crawl.post("/cases/one/decide", section="triage", verdict="corrected")
    crawl.post(
        "/cases/one/decide", section="triage", verdict="corrected", reason="other", note="x", value_tier="T3_urgent"
    )
    crawl.post("/cases/one/sign")
    crawl.post("/cases/one/accept-open")
    crawl.post("/cases/one/sign", confirmed="yes", follow_up="2026-11-21")
    crawl.get("/cases/one/print")
    crawl.post("/cases/two/second-reading")
    crawl.post("/cases/two/withdraw")
    crawl.post("/cases/two/withdraw", purpose="care_pictures")
    crawl.post("/cases/two/withdraw", purpose="care_pictures", is_sure="yes")
    crawl.get("/cases/two")
    crawl.post("/cases/one/withdraw", purpose="deidentified_result", is_sure="yes")
    crawl.get("/cases", show="asked")
    crawl.post("/cases/one/answers", screen="complaint", reason="slip", duration="one_to_four_weeks")
    for screen in ("danger", "complaint", "history", "examination"):
        crawl.get("/cases/one/answers", screen=screen)
        crawl.post("/cases/one/answers", screen=screen)
        crawl.post("/cases/one/answers", screen=screen, reason="slip")
    crawl.get("/cases/one")
    crawl.get("/cases")
    crawl.post("/cases/one/answers/look", tier="T1_emergency", reason="agree")
    crawl.get("/status")
    (file,) = SentFiles(crawl.parts.database).open()
    crawl.post(f"/cases/two/receivers/{file.number}", answer="deleted", how="letter")
    crawl.post(
        f"/cases/two/receivers/{file.number}", answer="deleted", how="letter", told_by="Wang", told_on="2026-11-20"
    )
    room = crawl.parts.consultation
    assert room is not None
    room.episodes.set_follow_up("three", MORNING.date())
    for path in ("/", "/cases?show=due", "/consultation", f"/consultation/new?episode={episode}"):
        crawl.get(path)
    draft = crawl.post("/consultation", episode=episode)
    found = re.search(r"/consultation/([0-9a-f]+)/", draft)
    assert found is not None
    for answer in steps()[: QUESTIONS.index(Step.VIEWS)]:
        room.consultations.change(found[1], answer)
    crawl.get(f"/consultation/{found[1]}")
    crawl.get(f"/consultation/{found[1]}/earlier/0/close_up.png")


def test_no_screen_has_a_hard_coded_sentence(crawl: Crawl) -> None:
    """Every word that a person reads or hears stands in brackets, is data, or says its language."""
    _house(crawl)
    _consultations(crawl)
    _cases(crawl)
    known = rule_words()
    found = {(path, words) for path, page in crawl.pages for words in unmarked(page, codes=CODES) if words not in known}
    assert sorted(found) == []
    assert sum(OPENING in page for _, page in crawl.pages) >= 100
    assert set(_paths()) - WORDLESS - crawl.read == set()
