"""What a person sees of a running sweep: lines in a log, bars on a terminal, the time that is left in both."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from calibration.sweep.display import Bars, Lines, display_on
from calibration.sweep.forecast import Remaining

LEFT = Remaining(600.0, is_least=False)


def _console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120)


def _told(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_gets_numbered_lines() -> None:
    """Stage, step and time left; names that look like markup stay as they are."""
    console = _console(is_terminal=False)
    lines = Lines(console)
    lines.start(5, 1)
    lines.step("build int8", "compress [bold]", LEFT)
    lines.finish("build int8", "done in 9 s")
    lines.fail("int4", "NNCF refused it")
    assert _told(console).splitlines() == [
        "5 stages, 1 finished before",
        "[2/5] build int8: compress [bold]; about 10 min left",
        "[2/5] build int8: done in 9 s",
        "int4 FAILED: NNCF refused it",
    ]


def test_ten_thousand_cases_are_not_ten_thousand_lines() -> None:
    """A line per twentieth is enough for a file."""
    console = _console(is_terminal=False)
    lines = Lines(console)
    for done in range(0, 10_001, 8):
        lines.count("evaluate int8", "candidate", (done, 10_000), LEFT)
    assert len(_told(console).splitlines()) == 21


@pytest.mark.parametrize(("is_terminal", "kind"), [(True, Bars), (False, Lines)])
def test_the_console_decides(is_terminal: bool, kind: type) -> None:
    """Bars would fill a log with control characters."""
    assert isinstance(display_on(_console(is_terminal=is_terminal)), kind)


def test_bars_tell_results_and_go_away() -> None:
    """What ended stays on the screen; the bars do not."""
    console = _console(is_terminal=True)
    bars = Bars(console)
    bars.start(2, 0)
    bars.step("build int8", "export", LEFT)
    bars.count("evaluate int8", "candidate", (3, 10), LEFT)
    bars.finish("build int8", "done in 9 s")
    bars.fail("int4", "NNCF refused [it]")
    bars.close()
    told = _told(console)
    assert "build int8: done in 9 s" in told
    assert "NNCF refused [it]" in told
    assert "about 10 min left" in told
