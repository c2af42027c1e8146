"""Somebody sends too much, too often, or asks for files that are not the kiosk's."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from edge_agent.kiosk.limits import MAX_FILES, MAX_FORM_BYTES, MAX_UPLOAD_BYTES, PER_MINUTE, STRANGERS_PER_MINUTE, Rate
from tests.simulators.kiosk_parts import Browser, HandClock


def test_a_form_that_says_it_is_too_long_is_refused_unread(browser: Browser) -> None:
    """The length is judged before a byte is parsed."""
    headers = {"content-type": "application/x-www-form-urlencoded", "content-length": str(MAX_FORM_BYTES + 1)}
    answer = browser.post("/sign-out", content=b"csrf=x", headers=headers)
    assert answer.status_code == 413


def test_a_form_that_never_says_its_length_is_cut_off(browser: Browser) -> None:
    """A body in pieces is counted while it comes."""

    def endless() -> Iterator[bytes]:
        for _ in range(MAX_FORM_BYTES // 65536 + 2):
            yield b"x" * 65536

    answer = browser.post("/sign-out", content=endless(), headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e9", "a", str(MAX_UPLOAD_BYTES + 1)])
def test_an_impossible_length_is_refused(browser: Browser, length: str) -> None:
    """A length that is no number, or more than any upload, ends here."""
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": length}
    assert browser.post("/sign-out", content=b"", headers=headers).status_code == 413


def test_more_files_than_views_are_refused(browser: Browser) -> None:
    """One request brings at most as many files as a case has views."""
    files = [("picture", (f"{i}.png", io.BytesIO(b"x"), "image/png")) for i in range(MAX_FILES + 1)]
    answer = browser.post("/sign-out", files=files, data={"csrf": browser.csrf()})
    assert answer.status_code == 413


def test_a_thousand_fields_are_refused(browser: Browser) -> None:
    """Fields are counted too."""
    answer = browser.post("/sign-out", data={"csrf": browser.csrf(), **{f"f{i}": "1" for i in range(1000)}})
    assert answer.status_code == 413


def test_a_session_that_asks_too_often_is_slowed(browser: Browser) -> None:
    """Beyond the rate of a fast preview a calm page asks to wait."""
    answers = {browser.get("/about").status_code for _ in range(PER_MINUTE + 50)}
    assert answers == {200, 429}


def test_a_flood_of_strangers_does_not_keep_the_kiosk_out(browser: Browser) -> None:
    """Another process that asks without a session is slowed, and the kiosk's own browser still comes in."""
    browser.cookies.clear()
    assert {browser.get("/about").status_code for _ in range(STRANGERS_PER_MINUTE + 5)} == {401, 429}
    assert browser.come_in().get("/about").status_code == 200


def test_a_rate_fills_again_with_time() -> None:
    """After a minute a full bucket is there again, never more."""
    clock = HandClock()
    rate = Rate(3, monotonic=clock.monotonic)
    assert [rate.admits("a") for _ in range(4)] == [True, True, True, False]
    assert rate.admits("b")
    clock.pass_s(3600)
    assert [rate.admits("a") for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..%5capp.py",
        "/static/kiosk.css%00.py",
    ],
)
def test_static_gives_no_other_file(browser: Browser, path: str) -> None:
    """Only the kiosk's own static files are served."""
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "create_app" not in answer.text
    assert "root:" not in answer.text
