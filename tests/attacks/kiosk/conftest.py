"""A kiosk with one account and a browser inside it, for every attack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.kiosk_parts import Browser, HandClock, kiosk_parts


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def browser(tmp_path: Path, clock: HandClock) -> Iterator[Browser]:
    with kiosk_parts(tmp_path, clock=clock) as parts:
        yield Browser(parts).come_in()
