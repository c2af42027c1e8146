"""Draw the demo's case: one case of the test split, far beyond everything that is trained or reported on.

What the drawing does not decide (age, danger signs, temperature) is made up here; nobody is behind it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image

from calibration.reference.cases import RenderedCase, case
from calibration.reference.forms import form_of
from edge_agent.contracts.intake import Intake

INDEX = 61620  # symmetric plaques with silvery scale on elbows and knees: a stranger sees what the report says
TONE = 2
SITE_OF = {"truncal": "abdomen", "extensor": "elbow", "scalp": "scalp", "acral": "palm", "generalised": "back"}
NO_SIGNS = (
    "fever_now_or_history", "skin_pain_severe", "blisters_or_peeling", "mouth_eye_genital_sores",
    "red_skin_over_90_percent", "widespread_pustules", "does_not_blanch", "breathing_difficulty", "drowsy_or_confused",
    "stridor_or_hoarse", "lip_tongue_face_swelling", "collapse_or_faint", "wheals", "stiff_neck", "fast_growing_lump",
    "mole_size_change", "mole_shape_irregular", "mole_colour_irregular", "mole_7mm_or_more", "mole_inflamed",
    "mole_oozing", "mole_sensation_change", "new_pigmented_nail_line",
    "jaundice",
)  # fmt: skip


def main() -> None:
    """Draw the pictures, write the form, and print what the three agents should say."""
    parser = argparse.ArgumentParser(prog="scripts/demo_pictures", description=__doc__)
    parser.add_argument("--index", type=int, default=INDEX, help="case of the test split")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of pictures/ and intake.json")
    options = parser.parse_args()
    drawn = case("test", options.index, tone=TONE)
    if not drawn.in_scope:
        parser.error(f"case {options.index} is not in scope; choose another")
    pictures = options.out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.png"):
        old.unlink()
    for number, view in enumerate(drawn.views):
        Image.fromarray(view.pixels).save(pictures / f"{number}-{view.shot.replace('_', '-')}.png", optimize=True)
    text = json.dumps(form(drawn), indent=2, ensure_ascii=False) + "\n"
    (options.out / "intake.json").write_text(text, encoding="utf-8")
    for view in drawn.views:
        print(f"{view.shot}: {view.labels}")
    print(f"representation: {drawn.representation}\nreasoning: {drawn.reasoning}")


def form(drawn: RenderedCase) -> dict[str, Any]:
    """Return the case's own history, tongue and pulse in a form that is otherwise unremarkable.

    Raises:
        pydantic.ValidationError: the form is not one that the device accepts; a defect.
    """
    site = SITE_OF.get(drawn.signs.distribution, "forearm")
    record = {
        "age_years": 34,
        "sex": "female",
        "pregnancy": "no",
        "breastfeeding": "no",
        "fitzpatrick": drawn.tone,
        "course": "relapsing",
        "symptoms": ["itching"],
        "itch_nrs": 5,
        "impact_nrs": 3,
        "new_drug_within_8_weeks": "no",
        "bsa_percent": 4,
        "vital_signs": {"temp_c": 36.7, "heart_rate": 76, "resp_rate": 14, "spo2": 98, "avpu": "A"},
        "danger_signs": dict.fromkeys(NO_SIGNS, "no"),
        "worker": {"impression": "red scaly plaques, itching, come and go", "tier": "T5_local", "worried": "no"},
        **form_of(drawn.intake),
        "views": [{"shot": view.shot, "body_site": site} for view in drawn.views],
    }
    Intake.model_validate(record)
    return record


if __name__ == "__main__":
    main()
