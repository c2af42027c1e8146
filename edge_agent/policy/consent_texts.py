"""The texts that are read aloud before a consent: which version of each purpose this program brings.

Reads the vocabulary's list ``consent_title``; the words themselves are labels like all others. Does not show anything.

Source: policy R2, R15.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.contracts.term_lists import Term, term_list
from edge_agent.contracts.terms import FOLDER, Vocabulary, read_toml

FILE = FOLDER / "consent.toml"
TITLES = "consent_title"
# What is read aloud for a purpose, in this order; a change of one word in either language is a new version.
PARTS = (TITLES, "consent_ask", "consent_refused")


@dataclass(frozen=True, slots=True)
class ConsentText:
    """Say which text of a purpose is here, and how far it covers the purpose.

    ``covers`` is the laxest value of the policy's key that opens the purpose (``strictness.OPENED_BY``) about which the
    text asks people; None where no key opens it.
    """

    purpose: ConsentPurpose
    version: str
    covers: str | None


def shipped_texts() -> tuple[ConsentText, ...]:
    """Return the text of every purpose that this program brings.

    Raises:
        ConfigError: the vocabulary file is damaged.
    """
    titles = term_list(TITLES, read_toml(FILE, what="vocabulary file")[TITLES], file=FILE.name)
    return tuple(_text(purpose, titles.terms[purpose]) for purpose in PURPOSES)


def words_of(vocabulary: Vocabulary, purpose: ConsentPurpose) -> tuple[tuple[str, str], ...]:
    """Return what is read aloud for one purpose, title first, each as (zh, en)."""
    terms = [vocabulary.lists[part].terms[purpose] for part in PARTS]
    return tuple((term.zh, term.en) for term in terms)


def _text(purpose: ConsentPurpose, term: Term) -> ConsentText:
    return ConsentText(purpose, term.facts["version"], term.facts.get("covers"))
