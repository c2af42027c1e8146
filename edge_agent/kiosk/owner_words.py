"""How a page names whoever did something: an account by its display name, emergency access by when it began."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.kiosk.language import Language, Text
from edge_agent.kiosk.language import text as _
from edge_agent.store.accounts import display_names
from edge_agent.store.database import Database
from edge_agent.store.emergency_access import emergency_entry


def emergency_words(name: str, language: Language) -> Text | None:
    """Return the words for somebody in emergency access; None for the name of an account."""
    began = emergency_entry(name)
    return None if began is None else _("Emergency access, %(time)s", time=language.time(began))


def owner_names(database: Database, language: Language) -> Callable[[str], str]:
    """Return what says whose a visit is, to read; a name that nobody has any more stands as it is."""
    shown = display_names(database)

    def named(name: str) -> str:
        words = emergency_words(name, language)
        return shown.get(name, name) if words is None else language.gettext(words)

    return named
