"""The sign table: which value of which recorded field speaks for or against a claim.

A claim is a syndrome or a condition. A *field* is an evidence pointer without its view number: ``view.colour``,
``intake.tongue.body_colour``. The table is data; nothing here weighs signs or concludes anything.

Source: clinical-vocabulary sections 2, 5.3, 6 and 16 (not clinically reviewed); every row names its own source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from edge_agent.contracts.terms import FOLDER, read_toml
from edge_agent.errors import ConfigError

FILE = FOLDER.parent / "tables" / "signs.toml"
Stance = Literal["supports", "against"]
STANCES: tuple[Stance, ...] = ("supports", "against")
Kind = Literal["syndrome", "condition"]
KINDS: tuple[Kind, ...] = ("syndrome", "condition")
INSUFFICIENT = "insufficient_information"  # the one claim that missing evidence supports
# Four kinds of nothing and the words that say as little; they are never merged, only recognised together here.
NOTHING = frozenset({"cannot_tell", "not_examined", "unknown", "not_applicable", INSUFFICIENT})


@dataclass(frozen=True, slots=True)
class SignRow:
    """One row: these values of this field speak for (or against) the claim, says this source."""

    field: str
    values: frozenset[str | int]
    source: str


@dataclass(frozen=True, slots=True)
class ClaimSigns:
    """All rows of one claim; ``status`` is ``unreviewed`` until a clinician has checked them."""

    kind: Kind
    status: str
    source: str
    supports: tuple[SignRow, ...]
    against: tuple[SignRow, ...]


@dataclass(frozen=True, slots=True)
class SignTable:
    """Every claim's rows, in the file's order."""

    claims: Mapping[str, ClaimSigns]

    @classmethod
    def load(cls, path: Path = FILE) -> SignTable:
        """Read the table.

        Raises:
            ConfigError: the file is malformed, or one value speaks both for and against a claim; names the place.
        """
        body = read_toml(path, what="sign table")
        return cls(MappingProxyType({name: _claim(name, rows) for name, rows in body.items()}))

    def has(self, claim: object, *, kind: Kind | None = None) -> bool:
        """Say whether something is a claim of the table (of one kind); takes whatever a model wrote."""
        found = self.claims.get(claim) if isinstance(claim, str) else None
        return found is not None and kind in (None, found.kind)

    def supports(self, claim: str, field: str, value: Any) -> bool:
        """Say whether a recorded value speaks for a claim.

        ``insufficient_information`` is supported by every value that says nothing, whatever the field.

        Args:
            claim: a claim id; an unknown one is supported by nothing.
            field: a pointer without its view number.
            value: an id, an integer, a list of ids (one that the row names is enough) or None.
        """
        if claim == INSUFFICIENT:
            return says_nothing(value)
        found = self.claims.get(claim)
        return found is not None and _speaks(found.supports, field, value)

    def against(self, claim: str, field: str, value: Any) -> bool:
        """Say whether a recorded value speaks against a claim and not for it at the same time.

        Nothing speaks against ``insufficient_information``. Arguments as in ``supports``.
        """
        found = self.claims.get(claim)
        if found is None or self.supports(claim, field, value):
            return False
        return _speaks(found.against, field, value)

    def speaks(self, claim: str, stance: str, *, field: str, value: Any) -> bool:
        """Ask ``supports`` or ``against`` by the name of the stance; any other name is False."""
        if stance == "supports":
            return self.supports(claim, field, value)
        return stance == "against" and self.against(claim, field, value)

    def fields(self, claim: str) -> tuple[str, ...]:
        """Return the fields that the rows of a claim name, each once, those of ``supports`` first.

        Empty for an unknown claim, and for ``insufficient_information``, which any field may support.
        """
        found = self.claims.get(claim)
        rows = (*found.supports, *found.against) if found else ()
        return tuple(dict.fromkeys(row.field for row in rows))


def says_nothing(value: Any) -> bool:
    """Say whether a recorded value tells nothing: unknown, not examined, empty or null; 0 and ``none`` do tell."""
    if value is None or value == "":
        return True
    if isinstance(value, str):
        return value in NOTHING
    if isinstance(value, Sequence):
        return all(says_nothing(item) for item in value)
    return False


def _speaks(rows: Iterable[SignRow], field: str, value: Any) -> bool:
    items = _items(value)
    return any(row.field == field and not row.values.isdisjoint(items) for row in rows)


def _items(value: Any) -> frozenset[str | int]:
    """Return the known ids and grades of a value; True is no grade, and nothing counts for nothing."""
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    return frozenset(i for i in items if isinstance(i, str | int) and not isinstance(i, bool) and not says_nothing(i))


def _claim(name: str, body: Any) -> ClaimSigns:
    try:
        kind = body["kind"]
        supports, against = _rows(body["supports"]), _rows(body["against"])
        status, source = str(body["status"]), str(body["source"])
    except (KeyError, TypeError) as exc:
        raise ConfigError(f"signs.toml: the claim {name} lacks {exc}; compare it with the other claims") from exc
    if kind not in KINDS:
        raise ConfigError(f"signs.toml: {name} is of kind {kind!r}; write one of {', '.join(KINDS)}")
    for row in against:
        if _speaks(supports, row.field, list(row.values)):
            raise ConfigError(f"signs.toml: a value of {row.field} speaks for and against {name}; remove one")
    return ClaimSigns(cast(Kind, kind), status, source, supports, against)


def _rows(rows: Any) -> tuple[SignRow, ...]:
    return tuple(SignRow(str(row["field"]), frozenset(row["values"]), str(row["source"])) for row in rows)
