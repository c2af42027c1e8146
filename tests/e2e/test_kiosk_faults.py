"""The real daemon broken in every way that a post will see, and what the worker reads then: ``docs/faults.md``, word for word.

Each test breaks one thing, looks at the screen, mends it, and looks whether anything was lost.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from edge_agent.config import load_config
from edge_agent.kiosk.door import URL_FILE
from edge_agent.store_bootstrap import open_store
from tests.simulators import kiosk_post as walk
from tests.simulators.browser import CHROMIUM, chromium
from tests.simulators.fault_words import reads
from tests.simulators.kiosk import wait_until
from tests.simulators.kiosk_post import NO_ENGINE, NURSE, Post, post
from tests.simulators.mjpeg_camera import MjpegCamera, Picture

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
REPORT_MS = 180_000
Move = Callable[[Page], object]


def _complaint(page: Page) -> None:
    walk.touch(page, "duration", "more_than_one_year")
    walk.touch(page, "pregnancy", "no")
    walk.go_on(page)


def _one_picture(page: Page) -> None:
    walk.take_picture(page)
    walk.go_on(page)


# Every step of a consultation: its heading, and what leads to the next.
STEPS: tuple[tuple[str, Move], ...] = (
    ("Danger signs first", walk.danger),
    ("Age, and who can decide", walk.age),
    ("Pictures for your care", walk.consents),
    ("Your own reference for this person", lambda page: walk.who(page, "bed 4")),
    ("Where is the skin affected?", walk.where),
    ("overview", _one_picture),
    ("What troubles the person", _complaint),
    ("Drugs, illnesses and joints", walk.go_on),
    ("Examination", walk.go_on),
    ("What do you think yourself?", walk.own_view),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def engine_post(browser: Browser) -> Iterator[Post]:
    """A device with its engine, which is given up after 24 s of silence."""
    with post(browser, sections="[inference]\njob_timeout_s = 24.0\n") as found:
        found.device.start()
        yield found


@pytest.fixture(scope="module")
def camera_post(browser: Browser) -> Iterator[tuple[Post, MjpegCamera]]:
    """A device whose camera can be broken."""
    with MjpegCamera() as camera, post(browser, first=NO_ENGINE, camera=camera.url) as found:
        found.device.start()
        yield found, camera


def _kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    if pid is not None:
        os.kill(pid, number)


def _start_again(here: Post) -> None:
    """Start a killed daemon as the service manager does; return when its page is served."""
    (here.device.state_dir / URL_FILE).unlink(missing_ok=True)
    here.device.start()
    assert here.start_address


def _sign_in_again(page: Page, name: str = NURSE) -> None:
    """Touch what an open page shows after a restart, and enter the PIN."""
    reads(page, "sign_in_again")
    page.get_by_role("link", name=name).click()
    walk.give_pin(page)


def test_the_supervisor_is_killed_at_each_step(browser: Browser) -> None:
    """kill -9 before every answer: the open page says so, and after the PIN it stands at the same step; nothing is lost."""
    with post(browser, first=NO_ENGINE) as here:
        here.device.start()
        page = here.signed_in()
        reads(page, "engine_off")
        case_id = walk.begin(page)
        with page.expect_response(lambda answer: answer.url.endswith("/events")):  # this very page listens
            page.reload()
        for number, (heading, move) in enumerate(STEPS):
            expect(page.locator("h1")).to_contain_text(heading)
            here.device.kill()
            if number == 0:
                reads(page, "page_waits")
            _start_again(here)
            if number == 0:
                reads(page, "page_again")
                page.get_by_role("link", name="Sign in").click()
            else:
                page.reload()
            _sign_in_again(page)
            expect(page.locator("h1")).to_contain_text(heading)
            assert case_id in page.url
            move(page)
        expect(page.locator("h1")).to_contain_text("The program is working")
        here.device.kill()
        _start_again(here)
        assert here.device.told()["pending"] == 1
        with open_store(load_config(here.device.config)) as store:
            case = store.cases.load(case_id)
    assert (case.intake.age_years, len(case.views)) == (34, 1)
    assert case.consent is not None
    assert case.consent.care_pictures.granted


def test_the_children_are_killed_at_each_step(engine_post: Post) -> None:
    """kill -9 of the camera's and the engine's child before every answer: the worker goes on, and the case is reported."""
    page = engine_post.signed_in()
    case_id = walk.begin(page)
    for heading, move in STEPS:
        expect(page.locator("h1")).to_contain_text(heading)
        told = engine_post.device.told()
        _kill(told["camera"]["pid"])
        _kill(told["daemon"]["child_pid"])
        page.reload()
        expect(page.locator("h1")).to_contain_text(heading)
        move(page)
    assert page.url.endswith(case_id)
    expect(page.locator("h1")).to_have_text("The report is ready", timeout=REPORT_MS)
    engine_post.close_pages()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV], ids=["killed", "crashed"])
def test_an_engine_that_is_lost_in_a_case_begins_again(engine_post: Post, number: signal.Signals) -> None:
    """Killed or crashed in the middle: the page says that nothing is lost, and then that the report is ready."""
    page, child = _caught_in_a_case(engine_post, f"bed {number.name}")
    os.kill(child.pid, number)
    os.kill(child.pid, signal.SIGCONT)
    reads(page, "engine_lost")
    expect(page.locator("h1")).to_have_text("The report is ready", timeout=REPORT_MS)
    engine_post.close_pages()


def test_an_engine_that_hangs_is_started_again(engine_post: Post) -> None:
    """SIGSTOP: first "no news", then "begins again", then the report; the hung child is gone."""
    page, child = _caught_in_a_case(engine_post, "bed hang")
    reads(page, "engine_silent")
    reads(page, "engine_lost")
    expect(page.locator("h1")).to_have_text("The report is ready", timeout=REPORT_MS)
    assert not child.is_running()
    engine_post.close_pages()


def test_a_supervisor_killed_in_a_case_finishes_it_after_the_start(engine_post: Post) -> None:
    """kill -9 while the agents run: after the PIN the page waits for the same case, which is reported once."""
    page, child = _caught_in_a_case(engine_post, "bed kill")
    engine_post.device.kill()
    child.kill()
    _start_again(engine_post)
    _sign_in_again(page)
    expect(page.locator("h1")).to_have_text("The report is ready", timeout=REPORT_MS)
    engine_post.close_pages()


def _caught_in_a_case(here: Post, reference: str) -> tuple[Page, psutil.Process]:
    """Hand a case over to an engine that is stopped; return the running page and the stopped child."""
    page = here.signed_in()
    walk.up_to_the_pictures(page, reference)
    walk.take_picture(page)
    walk.go_on(page)
    walk.questions(page)
    wait_until(lambda: here.device.told()["daemon"]["child_state"] == "idle", what="the engine is not ready")
    child = here.device.freeze_child()
    walk.own_view(page)
    wait_until(lambda: here.device.told()["daemon"]["child_state"] == "busy", what="the case was not begun")
    expect(page.locator("h1")).to_contain_text("The program is working")
    return page, child


@contextmanager
def _at_the_camera(here: Post) -> Iterator[Page]:
    """Stand in front of the live picture."""
    page = here.signed_in()
    walk.up_to_the_pictures(page)
    shown = "document.getElementById('live-picture')?.naturalWidth > 0"
    wait_until(lambda: bool(page.evaluate(shown)), what="no preview")
    expect(page.locator("#live")).not_to_have_attribute("data-broken", "")
    yield page
    here.close_pages()


def _is_mended(page: Page) -> None:
    """The hint speaks of the picture again, and the picture shows, without anybody loading the page again."""
    expect(page.locator("#hint-words")).not_to_contain_text("camera", ignore_case=True, timeout=60_000)
    expect(page.locator("#live-picture")).to_be_visible()


@pytest.mark.parametrize(
    ("fault", "picture"),
    [("camera_frozen", Picture.FROZEN), ("camera_black", Picture.BLACK), ("camera_unplugged", None)],
)
def test_a_broken_camera_is_told_where_the_worker_looks(
    camera_post: tuple[Post, MjpegCamera], fault: str, picture: Picture | None
) -> None:
    """Over the live picture, on the next page, and at the shutter: never an old picture as one of now."""
    here, camera = camera_post
    with _at_the_camera(here) as page:
        if picture is None:
            camera.cut()
        else:
            camera.show(picture)
        reads(page, fault, where="#hint")
        if fault == "camera_black":
            expect(page.locator("#live-picture")).to_be_visible()  # the worker sees the cap
        else:
            expect(page.locator("#live-picture")).to_be_hidden()
            page.get_by_role("button", name="Take the picture").click()
            expect(page.locator(".taken > li")).to_have_count(0)
        page.goto(page.url.removesuffix("/capture"), wait_until="commit")  # without a picture it never ends loading
        reads(page, fault, where=".banners")
        if picture is None:
            camera.resume()
        else:
            camera.show(Picture.MOVING)
        _is_mended(page)


def test_a_killed_camera_child_is_told_and_replaced(camera_post: tuple[Post, MjpegCamera]) -> None:
    """kill -9: the sentence over the picture, then a picture again from another child."""
    here, _camera = camera_post
    with _at_the_camera(here) as page:
        killed = here.device.told()["camera"]["pid"]
        _kill(killed)
        reads(page, "camera_blocked", where="#hint")
        _is_mended(page)
        assert here.device.told()["camera"]["pid"] not in {None, killed}
