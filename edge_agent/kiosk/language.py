"""The languages of the kiosk: gettext catalogues read as they are written, and a made-up one that shows what was forgotten.

English is the msgid. ``.po`` files are read at the start, so no compiled catalogue has to be kept in step. Does not
translate the clinical vocabulary: its words stand in ``edge_agent/contracts/vocabulary``.
"""

from __future__ import annotations

import gettext
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from babel import Locale, UnknownLocaleError, dates, numbers
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, read_po

from edge_agent.contracts.local_time import day_of, here
from edge_agent.contracts.punctuation import full_width
from edge_agent.errors import ConfigError

FOLDER = Path(__file__).parent / "locales"
DOMAIN: Final = "kiosk"
PSEUDO: Final = "qps"
SOURCE: Final = "en"
OPENING, CLOSING = "⟦", "⟧"
ISOLATE, POP = "\u2068", "\u2069"  # Unicode's first strong isolate, and its end
_VERIFIED = re.compile(r"^verified-by: (?P<name>.+) (?P<digest>[0-9a-f]{12})$")
_ACCENTED = str.maketrans("aceinosuyACEINOSUY", "áçéíñöšüýÁÇÉÍÑÖŠÜÝ")
_PLACE = re.compile(r"(%\(\w+\)[sd]|%%)")


@dataclass(frozen=True, slots=True)
class Text:
    """Hold a sentence that will be said in the reader's language, later; ``str`` gives the English words."""

    msgid: str
    plural: str | None = None
    count: int = 1
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        words = self.msgid if self.plural is None or self.count == 1 else self.plural
        return _filled(words, {"n": self.count, **self.values} if self.plural is not None else self.values)


def text(msgid: str, /, **values: object) -> Text:
    """Mark a sentence for translation; imported as ``_`` so that the extractor finds it. Does not translate yet."""
    return Text(msgid, values=values)


def counted(one: str, many: str, n: int, /, **values: object) -> Text:
    """Mark a sentence that depends on a number; imported as ``_n``. ``%(n)s`` is the number."""
    return Text(one, plural=many, count=n, values=values)


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one translated message: its forms (one, or one per plural) and who verified exactly these words."""

    forms: tuple[str, ...]
    verified_by: str | None = None


class Language:
    """Say the kiosk's sentences, dates and numbers in one language.

    Does not guess: a sentence without translation is said in English.

    Args:
        code: BCP 47 code, also the folder's name.
        entries: translated messages by msgid.
        plural: number → index of the form.
    """

    def __init__(self, code: str, entries: Mapping[str, Entry], *, plural: Callable[[int], int]) -> None:
        self.code = code
        self._entries = entries
        self._plural = plural
        self._locale = Locale.parse(SOURCE if code == PSEUDO else code)

    @property
    def name(self) -> str:
        """Return the language's own name for itself."""
        return (self._locale.get_display_name(self._locale.language) or self.code).capitalize()

    @property
    def colon(self) -> str:
        """Return what stands between a name and what is said of it."""
        return "：" if _is_chinese(self.code) else ": "

    @property
    def direction(self) -> str:
        """Return ``rtl`` or ``ltr``, as HTML wants it."""
        return self._locale.text_direction

    @property
    def is_verified(self) -> bool:
        """Say whether a named reviewer has verified every sentence as it now stands."""
        return bool(self._entries) and all(entry.verified_by is not None for entry in self._entries.values())

    def gettext(self, message: str | Text, /, **values: object) -> str:
        """Return a sentence with its values filled in; takes a ``Text`` or an English msgid."""
        if isinstance(message, Text):
            if message.plural is not None:
                return self.ngettext(message.msgid, message.plural, message.count, **message.values)
            return self.gettext(message.msgid, **{**self._said(message.values), **values})
        return _filled(self._form(message, 0, message), values)

    def ngettext(self, one: str, many: str, n: int, /, **values: object) -> str:
        """Return the form of a sentence for the number ``n``; ``%(n)s`` in it is that number."""
        index = self._plural(n)
        words = self._form(one, index, one if n == 1 else many)
        return _filled(words, {"n": self.number(n), **self._said(values)})

    def day_in_words(self, value: date) -> str:
        """Return a day with its weekday, e.g. ``Sunday, November 22, 2026``: what is agreed on is compared twice."""
        return self._isolated(dates.format_date(value, format="full", locale=self._locale))

    def date(self, value: date) -> str:
        """Return a day in words, e.g. ``22 Nov 2026``; a moment's day is the device's."""
        day = day_of(value) if isinstance(value, datetime) else value
        return self._isolated(dates.format_date(day, format=self._day, locale=self._locale))

    @property
    def months(self) -> tuple[str, ...]:
        """Return the names of the twelve months as they stand alone."""
        names = dates.get_month_names("wide", context="stand-alone", locale=self._locale)
        return tuple(names[month] for month in range(1, 13))

    def time(self, value: datetime) -> str:
        """Return a moment as day and clock time without seconds, by the device's clock."""
        local = here(value)
        day = dates.format_date(local, format=self._day, locale=self._locale)
        clock = dates.format_time(local, format="short", tzinfo=local.tzinfo, locale=self._locale)
        order = str(dates.get_datetime_format("medium", locale=self._locale))
        return self._isolated(order.replace("{1}", day).replace("{0}", clock).replace("'", ""))

    def ago(self, seconds: float) -> str:
        """Return how long ago something was, in words."""
        return dates.format_timedelta(
            timedelta(seconds=-abs(seconds)), add_direction=True, threshold=1, locale=self._locale
        )

    def number(self, value: float) -> str:
        """Return a number in the language's own way of writing."""
        return numbers.format_decimal(value, locale=self._locale)

    @property
    def _day(self) -> Literal["medium", "long"]:
        """Return how long a day is written: with the month's name, so that nobody mixes up day and month."""
        return "long" if self.direction == "rtl" else "medium"

    def _isolated(self, words: str) -> str:
        """Return a date that keeps its order also within a sentence of the other direction."""
        return f"{ISOLATE}{words}{POP}" if self.direction == "rtl" else words

    def _said(self, values: Mapping[str, object]) -> dict[str, object]:
        return {name: self.gettext(value) if isinstance(value, Text) else value for name, value in values.items()}

    def _form(self, msgid: str, index: int, otherwise: str) -> str:
        entry = self._entries.get(msgid)
        if entry is None or index >= len(entry.forms) or not entry.forms[index]:
            return otherwise
        return entry.forms[index]


class PseudoLanguage(Language):
    """Say every sentence in brackets and accents, so that a sentence nobody marked for translation stands out."""

    def __init__(self) -> None:
        super().__init__(PSEUDO, {}, plural=lambda n: int(n != 1))

    @property
    def name(self) -> str:
        """Return a name that nobody takes for a real language."""
        return f"{OPENING}Pšéüdö{CLOSING}"

    @property
    def months(self) -> tuple[str, ...]:
        """Return the months as words that a language has said."""
        return tuple(f"{OPENING}{name}{CLOSING}" for name in super().months)

    def _form(self, msgid: str, index: int, otherwise: str) -> str:  # noqa: ARG002  (same shape as a real language)
        parts = _PLACE.split(otherwise)
        return OPENING + "".join(one if _PLACE.match(one) else one.translate(_ACCENTED) for one in parts) + CLOSING


def _filled(words: str, values: Mapping[str, object]) -> str:
    return words % values if values else words.replace("%%", "%")


def digest(message: Message) -> str:
    """Return what a reviewer's name is bound to: twelve hex digits over the sentence and its translation."""
    parts = [*_forms(message.id), "\0", *_forms(message.string)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def verifier(message: Message) -> str | None:
    """Return who verified exactly these words; None where nobody did or the words have changed since."""
    for comment in message.user_comments:
        found = _VERIFIED.match(comment.strip())
        if found and found["digest"] == digest(message) and not message.fuzzy:
            return found["name"]
    return None


def _forms(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def read_catalogue(path: Path, *, code: str) -> Catalog:
    """Read one ``.po`` file.

    Raises:
        ConfigError: it cannot be read or is damaged; names the file.
    """
    try:
        with path.open("rb") as stream:
            return read_po(stream, locale=code, domain=DOMAIN, abort_invalid=True)
    except (OSError, ValueError, PoFileError, UnknownLocaleError) as exc:
        raise ConfigError(f"{path}: cannot read the translations ({exc}); install the package again") from exc


def may_print_advice(language: Language, *, is_demo: bool) -> bool:
    """Say whether advice may go on paper in this language: a named reviewer has read it all, or nobody real is seen."""
    return language.is_verified or is_demo


def advice_languages(languages: Mapping[str, Language], *, is_demo: bool) -> frozenset[str]:
    """Return the codes of the languages in which advice may go on paper."""
    return frozenset(code for code, one in languages.items() if may_print_advice(one, is_demo=is_demo))


def load_languages(codes: Sequence[str], *, folder: Path = FOLDER) -> Mapping[str, Language]:
    """Load the languages that the device offers, in the order given; the pseudo-language needs no file.

    Raises:
        ConfigError: a catalogue is missing or damaged.
    """
    return MappingProxyType({code: _load(code, folder) for code in codes})


def _load(code: str, folder: Path) -> Language:
    if code == PSEUDO:
        return PseudoLanguage()
    catalogue = read_catalogue(folder / code / "LC_MESSAGES" / f"{DOMAIN}.po", code=code)
    entries = {_forms(one.id)[0]: _entry(one, code) for one in catalogue if one.id}
    return Language(code, entries, plural=gettext.c2py(catalogue.plural_expr))


def _entry(message: Message, code: str) -> Entry:
    forms = () if message.fuzzy else _forms(message.string)
    return Entry(tuple(map(full_width, forms)) if _is_chinese(code) else forms, verified_by=verifier(message))


def _is_chinese(code: str) -> bool:
    return code.partition("-")[0] == "zh"
