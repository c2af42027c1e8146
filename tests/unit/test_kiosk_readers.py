"""Who reads what of a report on the screen: the TCM part is for clinicians unless the practice shows it to the person."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.report.words import page_of
from edge_agent.contracts.terms import Vocabulary
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import add_visit, golden

MORNING = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
# What the golden report of psoriasis says of syndrome, principle, pathogenesis, formula and herbs, in English.
TCM_WORDS = ("blood heat", "Xijiao Dihuang Tang", "rehmannia", "main syndrome", "TM1", "formula, proposal")
DECIDERS = [Role.CLINICIAN, Role.PRESCRIBER, Role.TCM_PRACTITIONER]
HIDDEN = "Clinicians, prescribers and TCM practitioners read this part."


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield built


def _read(parts: KioskParts, *roles: Role, path: str = "/cases/one") -> str:
    """Return the words of a page as somebody with these roles reads it."""
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account(f"Reader {len(parts.accounts.all())}", *roles))
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    body = answer.text.split("<main")[1]
    options = re.sub(r"<select.*?</select>", "", body, flags=re.DOTALL)  # what a clinician may choose says nothing
    return html.unescape(re.sub(r"<[^>]*>", " ", options))


def _found(words: str) -> set[str]:
    return {one for one in TCM_WORDS if one.casefold() in words.casefold()}


def _shown_to_the_person() -> dict[str, Any]:
    told = golden("psoriasis")
    told["tcm"]["audience"]["differentiation"] = "person"
    return told


@pytest.mark.parametrize("role", DECIDERS)
def test_whoever_may_hold_the_clinicians_copy_reads_the_tcm_part(parts: KioskParts, role: Role) -> None:
    """Clinician, prescriber and TCM practitioner see it whole: else the next test proves nothing."""
    add_visit(parts, "one", created=MORNING)
    words = _read(parts, role)
    assert _found(words) >= {"blood heat", "Xijiao Dihuang Tang", "main syndrome", "formula, proposal"}
    assert HIDDEN not in words


def test_a_worker_reads_no_syndrome_and_no_formula(parts: KioskParts) -> None:
    """By default the practice keeps both to clinicians (docs/clinical.md), and the page says that the part is there."""
    add_visit(parts, "one", created=MORNING)
    words = _read(parts, Role.WORKER)
    assert _found(words) == set()
    assert words.count(HIDDEN) == 2  # reasoning, TCM


def test_a_worker_with_another_role_reads_as_that_one(parts: KioskParts) -> None:
    """The roles of an account add up."""
    add_visit(parts, "one", created=MORNING)
    assert "Xijiao Dihuang Tang" in _read(parts, Role.WORKER, Role.PRESCRIBER)


def test_where_the_practice_shows_the_syndrome_a_worker_reads_it_without_the_formula(parts: KioskParts) -> None:
    """``tcm_block = "on"`` shows the person disease name, syndrome, TM1 code and principle; a worker as much."""
    add_visit(parts, "one", created=MORNING, report=_shown_to_the_person())
    assert _found(_read(parts, Role.WORKER)) == {"blood heat", "main syndrome", "TM1"}


def test_a_worker_still_reads_what_makes_a_case_urgent() -> None:
    """Danger signs also the private ones, tier, findings, suspected conditions and instructions are the clinician's."""
    words, kept = Vocabulary.load(), ("section_red_flags", "section_triage", "section_worker", "section_findings")
    for name in ("sjs", "pigmented", "psoriasis"):
        told = golden(name)
        if told["red_flags"]:
            told["red_flags"][0]["is_private"] = True
        worker, clinician = (page_of(told, words, "en", audience=one) for one in ("worker", "clinician"))
        assert worker.tier == clinician.tier
        assert worker.banners == clinician.banners
        both = [{one.name: one for one in page.sections} for page in (worker, clinician)]
        assert [both[0][one] for one in kept] == [both[1][one] for one in kept]
    assert [one.name for one in worker.sections] == [one.name for one in clinician.sections]


def test_the_plans_other_items_keep_their_numbers() -> None:
    """Worker and clinician speak of the same item 2 on the telephone; only the formula's row is missing."""
    words, told = Vocabulary.load(), golden("psoriasis")
    tables = [
        next(one for one in page_of(told, words, "en", audience=who).sections if one.name == "section_plan").blocks[0]
        for who in ("worker", "clinician")
    ]
    worker, clinician = ({row[0]: row[1] for row in table.rows} for table in tables)  # type: ignore[union-attr]
    assert [words for number, words in clinician.items() if number not in worker] == [
        next(one for one in clinician.values() if "Xijiao" in one)
    ]
    assert all(clinician[number] == words for number, words in worker.items())


def test_a_corrected_syndrome_is_not_read_by_a_worker_either(parts: KioskParts) -> None:
    """The decision is told with its reason; the clinician's own syndrome and the note on it are not."""
    add_visit(parts, "one", created=MORNING)
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    form = {
        "section": "reasoning",
        "verdict": "corrected",
        "reason": "wrong_syndrome",
        "value_syndrome": "blood_stasis",
    }
    answer = browser.submit("/cases/one/decide", **form, note="rather Taohong Siwu Tang")
    assert "again" not in answer.headers["location"]
    assert browser.submit("/cases/one/accept-open").status_code == 303
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 303
    clinician, worker = _read(parts, Role.CLINICIAN), _read(parts, Role.WORKER)
    assert "blood stasis" in clinician.casefold()
    assert "Taohong" in clinician
    assert "blood stasis" not in worker.casefold()
    assert "Taohong" not in worker
    assert _found(worker) == set()
    assert "Dr Lin" in worker


def test_an_older_report_keeps_its_syndrome_to_clinicians_too() -> None:
    """A report of version 1 has no TCM block and no audience: the strict rule holds."""
    told = golden("psoriasis")
    old = {
        key: told[key] for key in told if key not in {"tcm", "tcm_absent", "change", "biomedical", "stops_photography"}
    }
    old |= {"schema_version": 1, "plan": told["plan"]["items"]}
    words = Vocabulary.load()
    pages = {who: str(page_of(old, words, "en", audience=who)) for who in ("worker", "clinician")}
    assert "blood heat" in pages["clinician"].casefold()
    assert "blood heat" not in pages["worker"].casefold()
    assert "Xijiao" not in pages["worker"]


def test_the_visits_of_an_episode_name_a_formula_to_clinicians_only(parts: KioskParts) -> None:
    """The column of treatments is drawn from the same plan."""
    add_visit(parts, "one", created=MORNING)
    assert "formula, proposal" in _read(parts, Role.CLINICIAN, path="/cases/one/episode")
    assert "formula, proposal" not in _read(parts, Role.WORKER, path="/cases/one/episode")


def test_a_letter_for_tcm_is_not_written_by_a_worker(parts: KioskParts) -> None:
    """It holds syndrome and formula; a worker is offered the other destinations."""
    add_visit(parts, "one", created=MORNING)
    path, names = "/cases/one/print/paper?sheet=letter&language=en&to=tcm_dermatology", ("letter.pdf", "paper")
    worker, clinician = Browser(parts).come_in(), Browser(parts).come_in()
    worker.sign_in(worker.account("Nurse Li"))
    clinician.sign_in(clinician.account("Dr Lin", Role.CLINICIAN))
    assert 'value="tcm_dermatology"' not in worker.get("/cases/one/print").text
    assert 'value="tcm_dermatology"' in clinician.get("/cases/one/print").text
    assert [worker.get(path.replace("paper", name)).status_code for name in names] == [403, 403]
    assert clinician.get(path).status_code == 200
    assert worker.get(path.replace("tcm_dermatology", "dermatology_in_person")).status_code == 200
