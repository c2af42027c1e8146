"""Rules of what a person reads when something could not be done."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs

from edge_agent import errors
from edge_agent.errors import CaseError, EdgeError, StoreCorrupt, StoreFull
from edge_agent.interop.request import check_rule
from edge_agent.kiosk.faults import fault_words
from edge_agent.kiosk.refusals import REASONS, told_of
from edge_agent.kiosk.room import Room
from edge_agent.policy.sharing import SharingRefusal, SharingRule
from tests.simulators.kiosk_parts import Browser, kiosk_parts

CENTRAL = {"HubError", "CalibrationError", "ExportError", "CompressionError", "QualityGateError"}  # never on a device
ERRORS = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, EdgeError) and one is not EdgeError and one.__name__ not in CENTRAL
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with kiosk_parts(tmp_path) as parts:
        yield Browser(parts).come_in()


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_of_the_device_has_its_own_words(kind: type[EdgeError]) -> None:
    """No error of ours ends as "something went wrong"."""
    status, told = told_of(kind("x"))
    assert 400 <= status < 600
    assert "Something went wrong" not in str(told.what)
    assert str(told.do)


def test_an_error_in_a_room_is_told_without_its_details(browser: Browser) -> None:
    """A full disk: one sentence, what to do, the right status; the path in the message stays out."""

    def full() -> None:
        raise StoreFull("no space left to write /srv/secret/path")

    room = Room()
    room.add_api_route("/full", full)
    browser.kiosk.include_router(room)
    answer = browser.get("/full")
    assert answer.status_code == 507
    assert "storage is full" in answer.text
    assert "write on paper and call" in answer.text
    assert "/srv/secret" not in answer.text


def test_a_fault_of_the_device_is_said_on_every_page(tmp_path: Path) -> None:
    """The banner names it in plain words and says what to do."""
    with kiosk_parts(tmp_path) as parts:
        ill = dataclasses.replace(parts, faults=lambda: ("camera_down",))
        text = Browser(ill).come_in().get("/about").text
    assert "The camera gives no picture." in text
    assert "You can go on without a picture." in text


def test_damaged_records_are_said_on_every_page_from_then_on(browser: Browser) -> None:
    """Not only where the damage was met: the next page is right, and says that others may not be."""

    def damaged() -> None:
        raise StoreCorrupt("page 7 of /srv/secret/path")

    room = Room()
    room.add_api_route("/damaged", damaged)
    browser.kiosk.include_router(room)
    words = "Some of the device&#39;s records cannot be read."
    assert words not in browser.get("/about").text
    assert browser.get("/damaged").status_code == 503
    assert words in browser.get("/about").text


def test_a_stream_that_the_store_ends_is_one_line_in_the_log(tmp_path: Path) -> None:
    """It has begun, so no page can be shown; a traceback would say no more than the line."""

    async def pieces() -> AsyncIterator[str]:
        yield ": hello\n\n"
        raise StoreFull("no space left")

    room = Room()
    room.add_api_route("/pieces", lambda: StreamingResponse(pieces(), media_type="text/event-stream"))
    with kiosk_parts(tmp_path) as parts, capture_logs() as lines:
        browser = Browser(dataclasses.replace(parts, log=structlog.get_logger())).come_in()
        browser.kiosk.include_router(room)
        browser.get("/pieces")
    assert [(line["event"], line["log_level"]) for line in lines if line["event"].startswith("kiosk.")] == [
        ("kiosk.stream_ended", "warning")
    ]


def test_an_error_that_names_its_reason_is_told_by_it() -> None:
    """The file for another doctor that the person refused is no "case that cannot be used like this"."""
    _status, told = told_of(CaseError("x", reason="not_consented"))
    assert str(told.what) == "The person did not agree to a package for another doctor."


def test_a_fault_without_words_is_still_said() -> None:
    """A fault that another part invents is shown by its id, not dropped."""
    [told] = fault_words(["flux_capacitor"])
    assert str(told.what) == "The device reports a fault: flux_capacitor."


def test_a_room_of_another_kind_is_a_programmers_mistake(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router without the CSRF check cannot be added by accident."""
    from fastapi import APIRouter

    from edge_agent.kiosk import app

    monkeypatch.setattr(app, "ROOMS", (APIRouter(),))
    with pytest.raises(RuntimeError, match="Room"):
        app.create_app(browser.parts)


@pytest.mark.parametrize(
    "refusal",
    [
        SharingRefusal.TEST_CASE,
        SharingRefusal.STOPPED,
        SharingRefusal.WITHDRAWN,
        SharingRefusal.OFF_BY_POLICY,
        SharingRefusal.EMERGENCY_BASIS,
        SharingRefusal.NOT_CONSENTED,
        SharingRefusal.NO_KEY,
    ],
)
def test_every_reason_why_a_file_is_not_made_has_words(refusal: SharingRefusal) -> None:
    """What policy keeps here is told by its own sentence on the page, not as a case that cannot be used."""
    with pytest.raises(CaseError) as refused:
        check_rule(SharingRule(is_allowed=False, reason=refusal))
    _status, told = told_of(refused.value)
    assert told == REASONS[refusal.value]
