"""Show a running sweep: bars with the time that is left on a terminal, one line per step elsewhere."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from calibration.sweep.forecast import Remaining

_PARTS = 20  # a line per twentieth of a counted step is enough for a file


class Display(Protocol):
    """Where a sweep tells how far it is."""

    def start(self, total: int, done: int) -> None:
        """Show so many stages, so many of them finished in earlier runs."""

    def step(self, title: str, line: str, left: Remaining) -> None:
        """Show that a stage has begun a step."""

    def count(self, title: str, step: str, at: tuple[int, int], left: Remaining) -> None:
        """Show that a step is so far: ``at`` is (done, total)."""

    def finish(self, title: str, line: str) -> None:
        """Show that a stage is finished."""

    def fail(self, recipe: str, why: str) -> None:
        """Show that a recipe gives no bundle; its other stages are not run."""

    def close(self) -> None:
        """Leave the screen to others."""


class Bars:
    """Two bars on a terminal: all stages, and the running one."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )  # fmt: skip
        self._bars = Progress(*columns, console=console, transient=True)
        self._all = self._bars.add_task("sweep", total=None, left="")
        self._one = self._bars.add_task("", total=None, left="", visible=False)

    def start(self, total: int, done: int) -> None:
        """Show the outer bar."""
        self._bars.update(self._all, total=total, completed=done)
        self._bars.start()

    def step(self, title: str, line: str, left: Remaining) -> None:
        """Show the step under the outer bar."""
        self._bars.update(self._all, left=left.words())
        self._bars.reset(self._one, total=None, description=escape(f"{title}: {line}"), visible=True, left="")

    def count(self, title: str, step: str, at: tuple[int, int], left: Remaining) -> None:
        """Move the inner bar."""
        self._bars.update(self._all, left=left.words())
        name = escape(f"{title}: {step}")
        self._bars.update(self._one, description=name, completed=at[0], total=at[1], visible=True)

    def finish(self, title: str, line: str) -> None:
        """Print the result above the bars and move the outer one."""
        self._bars.console.print(f"{escape(title)}: {escape(line)}", highlight=False, soft_wrap=True)
        self._bars.advance(self._all)
        self._bars.update(self._one, visible=False)

    def fail(self, recipe: str, why: str) -> None:
        """Print the reason above the bars."""
        self._bars.console.print(f"[bold red]{escape(recipe)}:[/] {escape(why)}", highlight=False, soft_wrap=True)
        self._bars.update(self._one, visible=False)

    def close(self) -> None:
        """Take the bars away."""
        self._bars.stop()


class Lines:
    """Plain lines, for logs and pipes: ``[2/7] build int8: compress language_model; about 3 min left``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total, self._done = 0, 0
        self._told: tuple[str, str, int] | None = None

    def start(self, total: int, done: int) -> None:
        """Say how much there is to do."""
        self._total, self._done = total, done
        self._print(f"{total} stages, {done} finished before")

    def step(self, title: str, line: str, left: Remaining) -> None:
        """Print the step."""
        self._print(f"[{self._done + 1}/{self._total}] {title}: {line}; {left.words()}")

    def count(self, title: str, step: str, at: tuple[int, int], left: Remaining) -> None:
        """Print the count, twenty times per step at most."""
        done, total = at
        place = (title, step, _PARTS * done // max(total, 1))
        if place != self._told:
            self._told = place
            self.step(title, f"{step} {done}/{total}", left)

    def finish(self, title: str, line: str) -> None:
        """Print that it is finished."""
        self._done += 1
        self._print(f"[{self._done}/{self._total}] {title}: {line}")

    def fail(self, recipe: str, why: str) -> None:
        """Print the reason."""
        self._print(f"{recipe} FAILED: {why}")

    def close(self) -> None:
        """Do nothing: lines stay."""

    def _print(self, line: str) -> None:
        self._console.print(escape(line), highlight=False, soft_wrap=True)


def display_on(console: Console) -> Display:
    """Return what suits the console."""
    return Bars(console) if console.is_terminal else Lines(console)
