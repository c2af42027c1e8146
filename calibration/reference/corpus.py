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
            "lesion_visible": "sick skin", "normal_skin": "healthy skin",
            "pigment_change_only": "only a change of pigment", "not_skin": "no skin at all",
        },
        "family": {
            "papulosquamous": "red scaly plates", "eczematous": "weeping itchy patches",
            "annular_scaly": "rings that grow outward", "vesicular": "tiny water bubbles",
            "bullous": "large water bubbles", "pustular": "little heads of pus", "ulcer_erosion": "an open sore",
            "pigmented_lesion": "a dark mole", "nodule_tumour": "a lump", "purpuric": "blood under the skin",
            "wheal": "hives", "hypopigmented": "bleached areas", "burrow_papular": "mite tracks",
        },
        "primary_lesion": {
            "macule": "freckle sized stain", "patch": "broad stain", "papule": "pimple", "plaque": "plate",
            "nodule": "knot", "vesicle": "small bubble", "bulla": "big bubble", "pustule": "pus head",
            "wheal": "hive", "purpura": "bleeding spot", "erosion": "raw graze", "ulcer": "deep hole",
        },
        "secondary_change": {
            "none": "nothing added", "scale": "flaking", "crust": "scab", "excoriation": "scratches",
            "fissure": "cracks", "lichenification": "leather folds", "oozing": "wet drops", "atrophy": "thinning",
            "hyperpigmentation": "dark halo", "hypopigmentation": "light halo",
        },
        "colour": {
            "bright_red": "vivid red", "dark_red": "deep red", "pale_red": "faint red", "pink": "rosy",
            "violaceous": "plum", "grey_brown": "ashen", "brown": "tan", "black": "coal", "white": "chalk",
            "yellow": "honey", "skin_coloured": "like skin",
        },
        "scale_type": {
            "none": "smooth", "silvery_lamellar": "silver plates on top", "fine_branny": "powder on top",
            "thick_adherent": "heavy crust on top", "greasy": "oily flakes", "collarette": "inner ring of flakes",
            "peripheral": "flakes at the rim",
        },
        "scale_amount": {0: "no flakes", 1: "few flakes", 2: "some flakes", 3: "many flakes", 4: "all flakes"},
        "erythema": {0: "no redness", 1: "slight redness", 2: "clear redness", 3: "strong redness", 4: "extreme redness"},
        "induration": {0: "flat", 1: "slightly raised", 2: "raised", 3: "thick", 4: "very thick"},
        "border": {
            "well_defined": "sharp edge", "ill_defined": "blurred edge", "mixed": "half sharp edge",
            "irregular": "ragged edge",
        },
        "shape": {
            "guttate": "drops", "nummular": "coins", "geographic": "maps", "ostraceous": "oyster shells",
            "annular": "rings", "linear": "a band", "diffuse": "a sheet", "round_oval": "ovals",
            "irregular": "no form",
        },
        "arrangement": {
            "single": "one alone", "scattered": "spread out", "grouped": "in a cluster", "confluent": "merged",
            "linear": "in a row", "generalised": "all over the view",
        },
        "count_in_view": {
            "one": "a single one", "two_to_five": "a few", "six_to_twenty": "a dozen", "more_than_twenty": "countless",
        },
        "surface_share": {
            "lt_10": "a corner", "10_29": "a fifth", "30_49": "two fifths", "50_69": "three fifths",
            "70_89": "four fifths", "ge_90": "the whole",
        },
        "special": {
            "white_halo": "pale ring", "central_clearing": "healed middle", "pearly_border": "shiny beads",
            "several_colours": "many shades", "asymmetry": "uneven halves", "necrotic_area": "dead tissue",
        },
        "distribution": {
            "extensor": "on elbows and knees", "flexural": "in the folds", "scalp": "on the head",
            "truncal": "on chest and belly", "acral": "on hands and feet", "nail": "at the tips",
            "photo_exposed": "where the sun shines", "dermatomal": "along one belt", "generalised": "all over the body",
            "localised": "in one spot",
        },
        "symmetry": {"symmetric": "both sides", "asymmetric": "one side"},
    },
    "zh": {
        "applicability": {
            "lesion_visible": "病变皮肤", "normal_skin": "健康皮肤", "pigment_change_only": "只有色素变化",
            "not_skin": "不是皮肤",
        },
        "family": {
            "papulosquamous": "红色带屑斑块", "eczematous": "渗出发痒斑片", "annular_scaly": "向外扩大的圈",
            "vesicular": "小水泡", "bullous": "大水泡", "pustular": "脓头", "ulcer_erosion": "破口",
            "pigmented_lesion": "深色痣", "nodule_tumour": "肿块", "purpuric": "皮下出血", "wheal": "风疙瘩",
            "hypopigmented": "白块", "burrow_papular": "虫道",
        },
        "colour": {
            "bright_red": "鲜艳红", "dark_red": "深沉红", "pale_red": "浅浅红", "pink": "粉色", "violaceous": "紫色",
            "grey_brown": "灰色", "brown": "褐色", "black": "黑色", "white": "白色", "yellow": "黄色",
            "skin_coloured": "皮色",
        },
        "scale_type": {
            "none": "光滑", "silvery_lamellar": "银片", "fine_branny": "细粉", "thick_adherent": "厚壳",
            "greasy": "油屑", "collarette": "内圈屑", "peripheral": "边上有屑",
        },
        "induration": {0: "平", 1: "稍高", 2: "高", 3: "厚", 4: "很厚"},
        "border": {"well_defined": "边清", "ill_defined": "边糊", "mixed": "半边清", "irregular": "边乱"},
        "shape": {
            "guttate": "滴", "nummular": "币", "geographic": "图", "ostraceous": "蛎", "annular": "环",
            "linear": "带", "diffuse": "片", "round_oval": "卵", "irregular": "无形",
        },
        "arrangement": {
            "single": "一个", "scattered": "分散", "grouped": "成簇", "confluent": "相连", "linear": "成排",
            "generalised": "满布",
        },
        "distribution": {
            "extensor": "在肘膝", "flexural": "在皱褶", "scalp": "在头", "truncal": "在胸腹", "acral": "在手足",
            "nail": "在指尖", "photo_exposed": "在露处", "dermatomal": "一条带", "generalised": "在全身",
            "localised": "在一处",
        },
        "symmetry": {"symmetric": "两侧", "asymmetric": "一侧"},
    },
}  # fmt: skip
SEPARATOR = {"en": ", ", "zh": ","}
UNSURE = {"en": "hard to say", "zh": "难说"}


def describe(labels: Mapping[str, Any], *, language: str, order: random.Random | None = None) -> str:
    """Describe one view in ordinary words; what cannot be told is left out.

    Args:
        labels: field -> value or tuple of values, of Rec and (for an overview) distribution and symmetry.
        order: shuffles the order of the signs, so that no sign depends on another's place.
    """
    words = WORDS[language]
    parts = []
    for name, told in labels.items():
        items = told if isinstance(told, tuple) else (told,)
        parts += [words[name][item] for item in items if name in words and item in words[name]]
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


def who_says(record: Sequence[tuple[str, str]], *, rng: random.Random) -> tuple[str, str]:
    """Make one exercise of naming lines: which lines say this value, in their order.

    Teaches pointing at lines, without any clinical knowledge.
    """
    lines = "\n".join(f"{key} {value}" for key, value in record)
    _, value = rng.choice(list(record))
    named = [key for key, other in record if other == value][:4]
    return f"{lines}\nwho says {value}", "\n".join(named)
