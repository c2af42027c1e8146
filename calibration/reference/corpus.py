"""Generic texts that the reference backbone is trained on: plain descriptions in English and Chinese.

The backbone learns to read pictures and records in ordinary words. It never sees an agent's output, so that
what an agent knows lives in its adapter (engine: swapped adapters must be visibly wrong).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

QUESTIONS = {"en": "what is seen", "zh": "看到什么"}

# Ordinary words for the signs, on purpose not the ids of the vocabulary.
WORDS: dict[str, dict[str, dict[Any, str]]] = {
    "en": {
        "applicability": {
            "lesion_visible": "sick skin",
            "normal_skin": "healthy skin",
            "pigment_change_only": "only a change of pigment",
            "not_skin": "no skin at all",
        },
        "family": {
            "papulosquamous": "red scaly plates",
            "eczematous": "weeping itchy patches",
            "annular_scaly": "rings that grow outward",
            "pigmented_lesion": "a dark mole",
            "nodule_tumour": "a lump",
        },
        "colour": {
            "bright_red": "vivid red",
            "dark_red": "deep red",
            "pale_red": "faint red",
            "grey_brown": "ashen",
            "brown": "tan or black",
        },
        "scale_type": {
            "none": "smooth",
            "silvery_lamellar": "silver plates on top",
            "fine_branny": "powder on top",
            "thick_adherent": "heavy crust on top",
            "peripheral": "flakes at the rim",
        },
        "induration": {0: "flat", 1: "slightly raised", 3: "very thick"},
        "border": {"well_defined": "sharp edge", "ill_defined": "blurred edge", "irregular": "ragged edge"},
        "shape": {
            "guttate": "drops",
            "nummular": "coins",
            "geographic": "maps",
            "annular": "rings",
            "round_oval": "ovals",
        },
        "arrangement": {
            "single": "one alone",
            "scattered": "spread out",
            "grouped": "in a cluster",
            "confluent": "merged",
        },
        "distribution": {
            "extensor": "on elbows and knees",
            "truncal": "on chest and belly",
            "scalp": "on the head",
            "acral": "on hands and feet",
            "generalised": "all over the body",
        },
        "symmetry": {"symmetric": "both sides", "asymmetric": "one side"},
    },
    "zh": {
        "applicability": {
            "lesion_visible": "病变皮肤",
            "normal_skin": "健康皮肤",
            "pigment_change_only": "只有色素变化",
            "not_skin": "不是皮肤",
        },
        "family": {
            "papulosquamous": "红色带屑斑块",
            "eczematous": "渗出发痒斑片",
            "annular_scaly": "向外扩大的圈",
            "pigmented_lesion": "深色痣",
            "nodule_tumour": "肿块",
        },
        "colour": {
            "bright_red": "鲜艳红",
            "dark_red": "深沉红",
            "pale_red": "浅浅红",
            "grey_brown": "灰色",
            "brown": "褐或黑",
        },
        "scale_type": {
            "none": "光滑",
            "silvery_lamellar": "银片",
            "fine_branny": "细粉",
            "thick_adherent": "厚壳",
            "peripheral": "边上有屑",
        },
        "induration": {0: "平", 1: "稍高", 3: "很厚"},
        "border": {"well_defined": "边清", "ill_defined": "边糊", "irregular": "边乱"},
        "shape": {"guttate": "滴", "nummular": "币", "geographic": "图", "annular": "环", "round_oval": "卵"},
        "arrangement": {"single": "一个", "scattered": "分散", "grouped": "成簇", "confluent": "相连"},
        "distribution": {
            "extensor": "在肘膝",
            "truncal": "在胸腹",
            "scalp": "在头",
            "acral": "在手足",
            "generalised": "在全身",
        },
        "symmetry": {"symmetric": "两侧", "asymmetric": "一侧"},
    },
}
SEPARATOR = {"en": ", ", "zh": ","}
UNSURE = {"en": "hard to say", "zh": "难说"}


def describe(labels: Mapping[str, Any], *, language: str, order: random.Random | None = None) -> str:
    """Describe one view in ordinary words; what cannot be told is left out.

    Args:
        labels: field -> value, of Rec and (for an overview) distribution and symmetry.
        order: shuffles the order of the signs, so that no sign depends on another's place.
    """
    words = WORDS[language]
    parts = [words[name][value] for name, value in labels.items() if name in words and value in words[name]]
    if order is not None:
        order.shuffle(parts)
    return SEPARATOR[language].join(parts) or UNSURE[language]


def record_lines(record: Sequence[tuple[str, str]], *, rng: random.Random) -> tuple[str, str]:
    """Make one reading exercise on a record: the lines, and the answer to a question about one of them.

    Teaches looking things up in text without any clinical knowledge.
    """
    lines = "\n".join(f"{key} {value}" for key, value in record)
    key, value = rng.choice(list(record))
    return f"{lines}\nread {key}", value


def count_exercise(record: Sequence[tuple[str, str]], *, rng: random.Random) -> tuple[str, str]:
    """Make one counting exercise: how many of three named pairs stand in the record."""
    lines = "\n".join(f"{key} {value}" for key, value in record)
    asked = rng.sample(list(record), 3)
    values = [value for _, value in record]
    count = 0
    parts = []
    for key, value in asked:
        said = rng.choice(values) if rng.random() < 0.5 else value
        count += (key, said) in record
        parts.append(f"{key} {said}")
    return f"{lines}\ncount " + " and ".join(parts), str(count)
