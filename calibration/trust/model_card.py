"""Check that a model card is complete: every required section with something in it, figures per tone, the notice itself.

Judges no sentence: whether the limits are the true ones is for people. Sections may be titled in English or Chinese.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, section 4; FDA, Health Canada, MHRA, Transparency for
Machine Learning-Enabled Medical Devices (2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from calibration.trust.licences import ids_of
from calibration.trust.outcome import Findings, findings
from calibration.trust.reading import read_text
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import Manifest
from edge_agent.errors import RejectedError

INTENDED_USE = "Intended use"
NOT_CLINICAL = "Not for clinical use"
TRAINING_DATA = "Training data"
FIGURES = "Figures per tone"
LIMITS = "Limits"
LICENCE = "Licence"
TITLES: dict[str, tuple[str, ...]] = {
    INTENDED_USE: ("intended use", "预期用途"),
    NOT_CLINICAL: ("not for clinical use", "不得用于临床"),
    TRAINING_DATA: ("training data", "训练数据"),
    FIGURES: ("figures per tone", "按肤色的指标"),
    LIMITS: ("limits", "limitations", "局限"),
    LICENCE: ("licence", "license", "licences", "licenses", "许可"),
}
_HEADING = re.compile(r"^#{1,2}\s+(.+?)\s*#*\s*$")  # deeper headings belong to their section
_OPEN = re.compile(r"\b(TODO|TBD|FIXME|lorem ipsum)\b|待补", re.IGNORECASE)
_ROW = re.compile(r"^\s*\|.*\d.*\|\s*$", re.MULTILINE)
_LEAST_CHARACTERS = 20
_LEAST_TONES = 2


def sections_of(text: str) -> dict[str, str]:
    """Return the bodies of a Markdown text's sections by title in lower case; of a doubled title the last."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    is_code = False
    for line in text.splitlines():
        is_code ^= line.lstrip().startswith("```")
        heading = None if is_code else _HEADING.match(line)
        if heading is not None:
            lines = found[heading.group(1).strip(" *:").casefold()] = []
        else:
            lines.append(line)
    return {title: "\n".join(body).strip() for title, body in found.items()}


def check_model_card(bundle: Bundle) -> Findings:
    """Check the bundle's model card."""
    text = read_text(bundle, "model_card")
    return findings(f"{len(TITLES)} sections", card_faults(text, bundle.manifest))


def card_faults(text: str, manifest: Manifest) -> Iterator[RejectedError]:
    """Yield everything that a card lacks, in the order of the sections."""
    sections = sections_of(text)
    for name, titles in TITLES.items():
        body = next((sections[title] for title in titles if title in sections), None)
        if name == NOT_CLINICAL and manifest.clinical_use:
            if body is not None:
                yield RejectedError(
                    "the model card says `Not for clinical use`, the manifest clinical_use = true; mend one"
                )
            continue
        if body is None:
            yield RejectedError(f"the model card has no section `{name}`; write it into README.md and build again")
            continue
        if len(body) < _LEAST_CHARACTERS or _OPEN.search(body):
            yield RejectedError(f"section `{name}` of the model card is not written yet; write it and build again")
            continue
        yield from _content_faults(name, body, manifest)


def _content_faults(name: str, body: str, manifest: Manifest) -> Iterator[RejectedError]:
    if name == NOT_CLINICAL and _plain(manifest.notice) not in _plain(body):
        yield RejectedError(
            f"section `{name}` of the model card lacks the manifest's notice; copy it there word for word"
        )
    if name == FIGURES and len(_ROW.findall(body)) < _LEAST_TONES:
        yield RejectedError(
            f"section `{name}` of the model card has no table with figures of two or more tones; add it"
        )
    if name == LICENCE:
        for expression in sorted(set(manifest.licences.values())):
            yield from _licence_faults(expression, body)


def _licence_faults(expression: str, body: str) -> Iterator[RejectedError]:
    try:
        names = ids_of(expression)
    except RejectedError:
        return  # the licences' own check says so
    for name in names:
        if name.casefold() not in body.casefold():
            yield RejectedError(f"section `{LICENCE}` of the model card does not name {name}; add it")


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*_`>]", "", text).split()).casefold()
