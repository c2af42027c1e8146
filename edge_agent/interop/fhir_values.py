"""The small values of FHIR R4 as plain mappings: codes, reasons for absent data, labels; and the document's entries.

Needs no FHIR library. Our own lists are code systems of the form ``urn:derm-edge:vocabulary:<list>``: nobody else's codes
are claimed where the vocabulary has none.

Source: HL7 FHIR R4 (4.0.1), data types; terminology.hl7.org code systems data-absent-reason and v3-ObservationValue.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from edge_agent.agents.report.terms import Terms

Resource = dict[str, Any]
OURS: Final = "urn:derm-edge:vocabulary:"
ICD11: Final = "http://id.who.int/icd/release/11/mms"
UCUM: Final = "http://unitsofmeasure.org"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# AIAST: "Artificial Intelligence asserted", the label of HL7's AI Transparency guide.
AI_LABEL: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
TEST_LABEL: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
# Why a value is missing -> the code of data-absent-reason. Nothing that is missing is ever told as normal.
ABSENT_CODES: Final[Mapping[str, str]] = {
    "not_examined": "not-performed",
    "unknown": "asked-unknown",
    "cannot_tell": "unknown",
    "withheld": "unknown",
    "not_decided": "unsupported",
    "not_computable": "not-performed",
    "refused": "asked-declined",
    "failed": "error",
}


def absent(why: str, text: str = "") -> Resource:
    """Return a ``dataAbsentReason``: a key of ``ABSENT_CODES`` and, where there is more to say, words."""
    told: Resource = {"coding": [{"system": _ABSENT, "code": ABSENT_CODES[why]}]}
    return {**told, "text": text} if text else told


def concept(of: str, term_id: str, words: Terms) -> Resource:
    """Return one id of a list of the vocabulary with its label."""
    is_known = words.vocabulary.has(term_id, of=of)
    label = words.label(term_id, of=of) if is_known else term_id.replace("_", " ")
    return {"coding": [{"system": f"{OURS}{of}", "code": term_id, "display": label}], "text": label}


def named(kind: str, term_id: str, label: str) -> Resource:
    """Return a code that is no id of a list: a field's name, a rule, a part of the document."""
    return {"coding": [{"system": f"{OURS}{kind}", "code": term_id, "display": label}], "text": label}


def quantity(value: float, unit: str, code: str) -> Resource:
    """Return a number with its UCUM unit."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


def labelled(resource: Resource) -> Resource:
    """Return the resource with the label of what a program said."""
    return {**resource, "meta": {"security": [dict(AI_LABEL)]}}


def narrative(lines: Iterable[str]) -> Resource:
    """Return lines as generated XHTML."""
    rows = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{rows or "<p>-</p>"}</div>'}


class Entries:
    """Collect the resources of one document; each gets a stable id from the document's and its own name.

    Args:
        export_id: names the document.
    """

    def __init__(self, export_id: str) -> None:
        self._space = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:derm-edge:export:{export_id}")
        self._rows: dict[str, Resource] = {}

    def url(self, name: str) -> str:
        """Return the URL of a resource by its name, which need not be there yet."""
        return f"urn:uuid:{uuid.uuid5(self._space, name)}"

    def ref(self, name: str) -> Resource:
        """Return a reference to a resource by its name."""
        return {"reference": self.url(name)}

    def add(self, name: str, resource: Resource) -> Resource:
        """Add a resource and return the reference to it.

        Raises:
            RuntimeError: the name is taken.
        """
        if name in self._rows:
            raise RuntimeError(f"two resources of one document are called {name}")
        self._rows[name] = resource
        return self.ref(name)

    def names(self) -> tuple[str, ...]:
        """Return the names in the order of adding."""
        return tuple(self._rows)

    def to_bundle(self, first: str) -> list[Resource]:
        """Return the entries, the named one first, as a document wants its Composition."""
        order = [first, *(name for name in self._rows if name != first)]
        return [{"fullUrl": self.url(name), "resource": self._rows[name]} for name in order]
