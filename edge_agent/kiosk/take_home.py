"""What a worker says to the person at the end, in a page's own language that is neither Chinese nor English.

The sentences are those that the plan chose (section 12, safety-netting); none is made here, and nothing is printed from
here: paper has languages that a reviewer has read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.agents.report.fixed_texts import filled
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import Translations


def take_home(
    report: Mapping[str, Any],
    translations: Translations,
    vocabulary: Vocabulary,
    code: str,
    *,
    date: str | None,
    contact: str | None,
) -> tuple[str, ...]:
    """Return the sentences; none for a language in which paper is written: there they stand on the person's copy.

    Args:
        report: as the case store gives it.
        translations: hold the sentences.
        vocabulary: knows which advice is a fixed text.
        code: the page's language.
        date: the next visit as the person will hear it; None leaves a blank.
        contact: whom to tell who cannot come; None leaves a blank.
    """
    if code not in translations.speeches:
        return ()
    advice = [item["object"] for item in report["plan"]["items"] if item["action"] == "advise"]
    names = [name for name in dict.fromkeys(advice) if vocabulary.has(name, of="text")]
    said = (translations.label(vocabulary, name, code, of="text") for name in names)
    return tuple(filled(one, date=date, contact=contact) for one in said)
