"""Write the form in words, for agents that were trained on a language and not on ids.

One line per answer in a fixed order; what nobody examined is written out, so that a missing sign can never be read as a
normal one. Holds no free text, no name, no age and no sex.

Source: clinical-vocabulary sections 0.2 and 7 (the fields that Reason reads).
"""

from __future__ import annotations

from edge_agent.agents.evidence.record import GENERAL_SIGNS
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.terms import LANGUAGES, Language, Vocabulary

NAMES = {lang: f"intake_{lang}" for lang in LANGUAGES}  # the names of these texts in a bundle's inputs
_NOT_EXAMINED = "not_examined"


def intake_texts(intake: Intake, vocabulary: Vocabulary) -> dict[str, str]:
    """Return the form in every language, by the name under which a bundle asks for it."""
    return {name: _words(intake, vocabulary, lang) for lang, name in NAMES.items()}


def _words(intake: Intake, vocabulary: Vocabulary, lang: Language) -> str:
    tongue, general = intake.tongue, dict(intake.general)
    # (list that names the line, id of that name or None for the list's own, answers, list of the answers' words)
    rows: list[tuple[str, str | None, tuple[str, ...], str]] = [
        ("duration", None, _items(intake.duration), "duration"),
        ("pointer_part", "new_lesions_two_weeks", _items(intake.new_lesions_two_weeks), "known"),
        ("symptom", None, intake.symptoms or (), "symptom"),
        ("tongue_body_colour", None, _items(tongue.body_colour), "tongue_body_colour"),
        ("tongue_body_feature", None, tongue.body_feature, "tongue_body_feature"),
        ("tongue_coating_colour", None, _items(tongue.coating_colour), "tongue_coating_colour"),
        ("tongue_coating_texture", None, tongue.coating_texture, "tongue_coating_texture"),
        ("sublingual_veins", None, _items(tongue.sublingual_veins), "sublingual_veins"),
        ("pulse", None, intake.pulse, "pulse"),
        *(("general_sign", sign, _items(general.get(sign)), "examined") for sign in GENERAL_SIGNS),  # type: ignore[call-overload]
    ]
    colon, comma = (":", "、") if lang == "zh" else (": ", ", ")
    lines = []
    for of, name, answers, words in rows:
        title = _raw(vocabulary, of, name, lang)
        told = [_raw(vocabulary, words, one, lang) for one in answers]
        lines.append(f"{title}{colon}{comma.join(told) or _raw(vocabulary, 'nothing', _NOT_EXAMINED, lang)}")
    return "\n".join(lines)


def _raw(vocabulary: Vocabulary, of: str, name: str | None, lang: Language) -> str:
    """Return a list's own name or one of its words as the file has it: a model is asked as it was trained."""
    found = vocabulary.lists[of]
    term = found if name is None else found.terms[name]
    return term.zh if lang == "zh" else term.en


def _items(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)
