"""The roles of an account in words."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from edge_agent.kiosk.language import Language, Text
from edge_agent.kiosk.language import text as _
from edge_agent.store.accounts import Role

ROLE_WORDS: Final = MappingProxyType(
    {
        Role.WORKER: _("Health worker"),
        Role.CLINICIAN: _("Clinician"),
        Role.PRESCRIBER: _("Prescriber"),
        Role.TCM_PRACTITIONER: _("Practitioner of Chinese medicine"),
        Role.MAINTAINER: _("Maintainer of the device"),
    }
)
_NOTES: Final = MappingProxyType(
    {
        Role.WORKER: _("asks, examines, takes pictures"),
        Role.CLINICIAN: _("also accepts, corrects or rejects a report"),
        Role.PRESCRIBER: _("may sign a prescription"),
        Role.TCM_PRACTITIONER: _("sees and judges the block of Chinese medicine"),
        Role.MAINTAINER: _("accounts, device, trail; no reports"),
    }
)


def role_options(language: Language, *, without: Collection[Role] = ()) -> list[tuple[str, str, str]]:
    """Return the roles as options of a choice: id, words, what it means."""
    shown = [role for role in Role if role not in without]
    return [(role.value, language.gettext(ROLE_WORDS[role]), language.gettext(_NOTES[role])) for role in shown]


_PROBLEMS: Final = MappingProxyType(
    {
        "pin_length": _("A PIN has 6 to 12 digits. Choose another one."),
        "pin_easy": _("This PIN is among the first that anybody would try. Choose another one."),
        "pin_same": _("This is the old PIN. Choose another one."),
        "name_length": _("Write a name of 1 to 40 characters."),
        "name_taken": _("This name is taken. Add a letter or a second name."),
        "no_role": _("Choose at least one role."),
        "last_maintainer": _("This is the last maintainer. Make another one first."),
        "not_again": _("The two PINs differ. Write the same one twice."),
    }
)


def problem_words(reason: object) -> Text:
    """Return what a person reads about a name, role or PIN that cannot be taken."""
    return _PROBLEMS.get(str(reason)) or _("This does not fit. Try again.")
