"""The day on which a person comes back, chosen so that nobody misreads it: each choice says its day in words.

A browser's own calendar field writes 05/12 or 12/05 by the language that the browser was started with, and the same paper
has two days. Here a day is pressed, with weekday and month by name; another one is put together from three lists. Works
without scripts. Does not book: signing the report does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from starlette.datastructures import FormData

from edge_agent.errors import CaseError
from edge_agent.kiosk.language import Language
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _

FIELD: Final = "follow_up"
PARTS: Final = ("day", "month", "year")  # of another day; the lists are called ``follow_up_day`` and so on
OTHER: Final = "other"
WEEKS: Final = (1, 2, 4, 12)


@dataclass(frozen=True, slots=True)
class Choice:
    """One press: what is sent (a day in ISO 8601, nothing, or ``other``), the words on it, whether it is pressed already."""

    value: str
    words: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class AnotherDay:
    """The three lists of another day: numbers, months by name, this year and the next; (what is sent, words)."""

    days: tuple[tuple[int, str], ...]
    months: tuple[tuple[int, str], ...]
    years: tuple[tuple[int, str], ...]


def choices(language: Language, *, today: date, planned: date | None) -> tuple[Choice, ...]:
    """Return what can be pressed: the plan's day first and pressed, some weeks ahead, none, another one.

    Args:
        language: of the page.
        today: at the device.
        planned: the day that the plan books; None where it books none, then "none" is pressed.
    """
    found = [] if planned is None else [_planned(language, planned)]
    for weeks in WEEKS:
        day = today + timedelta(weeks=weeks)
        if day != planned:
            words = _n("In %(n)s week: %(day)s", "In %(n)s weeks: %(day)s", weeks, day=language.day_in_words(day))
            found.append(Choice(day.isoformat(), language.gettext(words)))
    return (
        *found,
        Choice("", language.gettext(_("No day is set")), planned is None),
        Choice(OTHER, language.gettext(_("Another day, chosen below"))),
    )


def another_day(language: Language, *, today: date) -> AnotherDay:
    """Return the lists from which another day is put together."""
    return AnotherDay(
        tuple((day, language.number(day)) for day in range(1, 32)),
        tuple(enumerate(language.months, start=1)),
        tuple((year, str(year)) for year in (today.year, today.year + 1)),
    )


def chosen_day(form: FormData, *, today: date) -> date | None:
    """Return the day that a form names; None where none is set.

    Raises:
        CaseError: it is no day, a day that has passed, or two at once: a press above and another day in the lists.
    """
    pressed = str(form.get(FIELD) or "")
    parts = [str(form.get(f"{FIELD}_{part}") or "") for part in PARTS]
    if (pressed == OTHER) is not any(parts):
        raise CaseError("a day was pressed and another one was put together: choose one of them")
    if not pressed:
        return None
    try:
        day = date(*(int(part) for part in reversed(parts))) if pressed == OTHER else date.fromisoformat(pressed)
    except ValueError as exc:
        raise CaseError("there is no such day: choose day, month and year again") from exc
    if day < today:
        raise CaseError(f"{day} has passed: choose a day that is still to come")
    return day


def _planned(language: Language, day: date) -> Choice:
    words = _("As planned: %(day)s", day=language.day_in_words(day))
    return Choice(day.isoformat(), language.gettext(words), is_chosen=True)
