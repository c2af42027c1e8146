"""The real daemon on a full disk, under a wrong clock and over damaged records: what the worker reads (``docs/faults.md``)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from edge_agent.config import load_config
from edge_agent.store.space import RESERVE
from edge_agent.store.vault import ImageKind
from edge_agent.store_bootstrap import open_store
from tests.simulators import kiosk_post as walk
from tests.simulators.browser import CHROMIUM, chromium
from tests.simulators.fault_words import reads
from tests.simulators.kiosk import ROOT, wait_until
from tests.simulators.kiosk_post import NO_ENGINE, NURSE, post
from tests.simulators.records import a_case
from tests.simulators.reported_visits import golden

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
REPORT_MS = 180_000
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)  # Debian's package libfaketime


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_costs_pictures_and_no_case(browser: Browser) -> None:
    """A disk of its own: nearly full, then full to the last byte; the case goes on in words and is stored."""
    limits = "[storage]\nlow_bytes = 300_000_000\ntight_bytes = 200_000_000\nfull_bytes = 100_000_000\n"
    with post(browser, first=NO_ENGINE, sections=limits) as here, _small_disk(here.device.state_dir, mb=700) as disk:
        here.device.start()
        page = here.signed_in()
        case_id = walk.up_to_the_pictures(page)
        _fill(disk, leave=20_000_000)
        page.get_by_role("button", name="Take the picture").click()
        reads(page, "disk_full")
        expect(page.locator(".taken > li")).to_have_count(0)
        _fill(disk, leave=0)
        walk.go_on(page, "Go on without pictures")
        reads(page, "not_saved")
        back = f"{page.url.split('/consultation', maxsplit=1)[0]}/consultation/{case_id}"
        wait_until(lambda: not (here.device.state_dir / RESERVE).exists(), what="the reserve was not given")
        page.goto(back)
        walk.go_on(page, "Go on without pictures")
        walk.questions(page)
        walk.own_view(page)
        expect(page.locator("h1")).to_contain_text("The program is working")
        assert here.device.told()["pending"] == 1
        (disk / "filler").unlink()
        here.device.stop()
        (disk / RESERVE).unlink(missing_ok=True)
        _fill(disk, leave=0)
        with (here.device.folder / "daemon.log").open("ab") as log:
            here.device.daemon = subprocess.Popen(here.device.command("run"), cwd=ROOT, stdout=log, stderr=log)
        wait_until(lambda: _is_served(page), what="no page on a full disk")
        page.goto(back)
        reads(page, "full_at_start")
        _fill(disk, leave=150_000_000)
        reads(page, "sign_in_again")
        page.get_by_role("link", name=NURSE).click()
        walk.give_pin(page)
        reads(page, "disk_tight")


def _is_served(page: Page) -> bool:
    """Say whether somebody answers at the address of an open page."""
    try:
        return httpx.get(page.url).status_code in {401, 503}
    except httpx.HTTPError:
        return False


@contextmanager
def _small_disk(at: Path, *, mb: int) -> Iterator[Path]:
    """Put a state folder onto a disk of its own; the test is skipped where none can be mounted."""
    held = at.with_name("held")
    at.rename(held)
    at.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mb}m,mode=0700", "none", str(at)], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(held, at, dirs_exist_ok=True)
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def _fill(disk: Path, *, leave: int) -> None:
    """Take room until only so many bytes are left."""
    with (disk / "filler").open("ab") as stream:
        stream.truncate(0)
        free = shutil.disk_usage(disk).free
        os.posix_fallocate(stream.fileno(), 0, max(1, free - leave))


@pytest.mark.skipif(FAKETIME is None, reason="Debian's package libfaketime is not installed")
@pytest.mark.parametrize(
    ("date", "has_engine", "end"),
    [
        ("1970-01-01 00:00:05", True, "The report is ready"),  # the engine's own process has this clock too
        ("2036-11-22 08:00:00", False, "The case is stored."),
    ],
    ids=["1970", "in ten years"],
)
def test_a_wrong_clock_is_told_and_deletes_nothing(browser: Browser, date: str, has_engine: bool, end: str) -> None:
    """The battery is empty, or ten years have gone: a sentence on every page, cases are taken, older things stay.

    A draft without consent and the picture of a signed case would both be overdue in ten years, if the clock were believed:
    a person who confirms that date sees them go.
    """
    with post(browser, first=NO_ENGINE) as here:
        here.device.start()
        page = here.signed_in()
        case_id = walk.up_to_the_pictures(page)
        walk.take_picture(page)
        draft_id = walk.begin(page)
        here.close_pages()
        assert here.device.stop() == 0
        pictures = _what_ends(here, draft_id=draft_id)
        if has_engine:
            settings = here.device.config.read_text(encoding="utf-8")
            here.device.config.write_text(settings.removeprefix(NO_ENGINE), encoding="utf-8")
        here.device.start(**_at(date))
        page = here.signed_in()
        reads(page, "clock_wrong")
        page.goto(f"{page.url.rstrip('/')}/consultation/{case_id}")
        expect(page.locator(".taken > li")).to_have_count(1)
        walk.go_on(page)
        walk.questions(page)
        walk.own_view(page)
        expect(page.locator("h1")).to_contain_text(end, timeout=REPORT_MS)
        here.close_pages()
        here.device.kill()  # libfaketime breaks sleeps until a monotonic moment, so an orderly end would wait for ever
        assert _states(here, pictures) == {"draft": "kept", "signed": "kept"}
        words = here.device.command("store", "retention", "--confirm-date", "2036-11-22")
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, **_at("2036-11-22 08:00:00")}, check=False)
        assert done.returncode == 0
        assert _states(here, pictures) == {"draft": "shredded", "signed": "shredded"}


def _at(date: str) -> dict[str, str]:
    """Return the environment of a program that believes another time."""
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"@{date}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _what_ends(here: walk.Post, *, draft_id: str) -> dict[str, str]:
    """Give a stopped device two pictures that go in their time: of a draft without consent, of a signed case; return their ids."""
    now = datetime.now(UTC)
    with open_store(load_config(here.device.config)) as store:
        store.cases.add(replace(a_case("signed", views=1), created=now), language="en")
        store.cases.finish("signed", {**golden("psoriasis"), "case_id": "signed"}, None)
        with store.database.transaction() as connection:
            connection.execute(
                "INSERT INTO sign_offs (case_id, account, signed, tier) VALUES ('signed', 'dr.lin', ?, 'T4_routine')",
                (now.isoformat(),),
            )
            of_draft = store.vault.put(connection, b"png", kind=ImageKind.ORDINARY)
            connection.execute("INSERT INTO draft_images (image_id, case_id) VALUES (?, ?)", (of_draft, draft_id))
        return {"draft": of_draft, "signed": store.cases.views("signed")[0].image_id or ""}


def _states(here: walk.Post, pictures: Mapping[str, str]) -> dict[str, str]:
    """Return what became of pictures in the store of a stopped device."""
    with open_store(load_config(here.device.config)) as store:
        known: dict[str, str] = dict(store.database.rows("SELECT image_id, state FROM images"))
    return {name: known[image_id] for name, image_id in pictures.items()}


def test_a_damaged_page_of_the_database_is_told(browser: Browser) -> None:
    """The cases' own page: the start says so; a visit that was begun can still be read, under a sentence that says it too."""
    with post(browser, first=NO_ENGINE) as here:
        here.device.start()
        page = here.signed_in()
        case_id = walk.up_to_the_pictures(page)
        here.close_pages()
        assert here.device.stop() == 0
        with open_store(load_config(here.device.config)) as store:
            ((number,),) = store.database.rows("SELECT rootpage FROM sqlite_master WHERE name = 'cases'")
        _damage(here.device.state_dir / "store.db", page_number=number)
        here.device.start()
        page = here.open_page()
        page.get_by_role("link", name=NURSE).click()
        walk.give_pin(page)
        reads(page, "records_damaged")
        page.goto(f"{page.url.rstrip('/')}/consultation/{case_id}")
        expect(page.locator("h1")).to_contain_text("overview")
        reads(page, "records_partly")


def test_a_database_that_cannot_be_opened_closes_the_device(browser: Browser) -> None:
    """Its first page: one page says what to do, in every language, nothing is changed; mended, it opens by itself."""
    with post(browser, first=NO_ENGINE) as here:
        database = here.device.state_dir / "store.db"
        whole = database.read_bytes()
        _damage(database, page_number=1)
        damaged = database.read_bytes()
        with (here.device.folder / "daemon.log").open("wb") as log:
            here.device.daemon = subprocess.Popen(here.device.command("run"), cwd=ROOT, stdout=log, stderr=log)
        page = here.open_page()
        reads(page, "records_closed")
        expect(page.locator('section[lang="zh"]')).to_be_visible()
        walk.seen(page, "closed")
        assert database.read_bytes() == damaged
        database.write_bytes(whole)
        here.device.daemon.send_signal(signal.SIGHUP)
        reads(page, "sign_in_again")
        assert here.device.stop() == 0


def _damage(database: Path, *, page_number: int) -> None:
    """Overwrite one page."""
    with database.open("r+b") as stream:
        stream.seek(4096 * (page_number - 1))
        stream.write(os.urandom(4096))
