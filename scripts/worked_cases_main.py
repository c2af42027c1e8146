"""Run three worked cases and photograph their reports: plaque psoriasis, a refused pigmented lesion, suspected SJS.

The pictures are drawings of the test split, far beyond everything that is trained or reported on; history, tongue, pulse
and danger signs are made up, nobody is behind them. The page shows whatever the bundle decides: nothing is chosen by
outcome.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from calibration.reference.cases import RenderedCase, case, text_case
from calibration.reference.forms import form_of
from calibration.reference.signs import Signs
from edge_agent.agents.report.html import render_html
from edge_agent.bootstrap import engine_wish
from edge_agent.config import load_config
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake_values import DangerSign, PestItem, WorkerSign
from edge_agent.contracts.record_files import parse_consent, parse_intake
from edge_agent.contracts.terms import LANGUAGES, Language, Vocabulary
from edge_agent.engine_bootstrap import verify_bundle
from edge_agent.rules_only import rules_only_report
from scripts.report_picture_main import DEMO, ROOT, photograph, trimmed

FIRST = 70_000  # of the test split: behind every case that is reported on
LAST = 75_000
TONE = 2
COLOURS = 256  # of the palette; fewer change the colours of the lesions
WHEN = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
SJS = "suspected-sjs"
IMPRESSION: Mapping[Language, str] = {"en": "red scaly plaques at elbows and knees", "zh": "肘膝部红色鳞屑斑块"}

# Every question that a danger-sign rule asks, answered, and nothing wrong.
CLEAR: Mapping[str, Any] = {
    "age_years": 41,
    "sex": "female",
    "pregnancy": "no",
    "breastfeeding": "no",
    "fitzpatrick": TONE,
    "course": "relapsing",
    "symptoms": ["itching"],
    "contact_or_travel_risk": "no",
    "known_psoriasis": "no",
    "known_eczema": "no",
    "new_drug_within_8_weeks": "no",
    "current_treatment": [{"kind": "none"}],
    "comorbidity": ["none"],
    "trigger": ["stress"],
    "smoking": "never",
    "alcohol": "none",
    "bsa_percent": 4,
    "vital_signs": {"temp_c": 36.7, "heart_rate": 76, "resp_rate": 14, "spo2": 98, "avpu": "A"},
    "danger_signs": dict.fromkeys(typing.get_args(DangerSign), "no"),
    "worker_examination": {**dict.fromkeys(typing.get_args(WorkerSign), "no"), "blanching": "yes"},
    "pest": dict.fromkeys(typing.get_args(PestItem), "no"),
    "mood": {"low_mood": "no", "loss_of_interest": "no", "self_harm_thoughts": "no"},
    "worker": {"impression": "", "tier": "T5_local", "worried": "no"},
}


def main() -> int:
    """Write the four pictures.

    Returns:
        0, or the exit code of the program that failed.
    """
    parser = argparse.ArgumentParser(prog="scripts/worked_cases", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="another bundle than the reference bundle")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder of the pictures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="derm-cases-") as name:
        folder = Path(name)
        try:
            pages = _pages(folder, bundle=options.bundle)
            for page in pages:
                picture = options.out / f"case-{page.stem}.png"
                photograph(page, folder / "page.png")
                with Image.open(folder / "page.png") as shown:
                    trimmed(shown.convert("RGB")).quantize(COLOURS).save(picture, optimize=True)
                print(picture)
        except subprocess.CalledProcessError as exc:
            print(f"worked_cases: {exc.cmd[0]} ended with {exc.returncode}", file=sys.stderr)
            return int(exc.returncode)
    return 0


def _pages(folder: Path, *, bundle: Path | None) -> list[Path]:
    psoriasis = psoriasis_case()
    pages = [
        _run(
            folder, f"plaque-psoriasis-{lang}", psoriasis, psoriasis_form(psoriasis, lang), language=lang, bundle=bundle
        )
        for lang in LANGUAGES
    ]
    mole = mole_case()
    pages.append(_run(folder, "pigmented-lesion", mole, mole_form(mole), language="en", bundle=bundle))
    return [*pages, _sjs_page(folder, bundle=bundle)]


def psoriasis_case() -> RenderedCase:
    """Draw the first scaly plaque psoriasis of three pictures whose tongue and pulse were examined."""
    for index in range(FIRST, LAST):
        bare = text_case("test", index, tone=TONE)
        if bare.in_scope and len(bare.shots) == 3 and _is_plaque(bare.signs) and _is_examined(bare.intake):
            return case("test", index, tone=TONE)
    raise RuntimeError("no such case is drawn any more: look further than LAST")


def mole_case() -> RenderedCase:
    """Draw the first pigmented lesion with two pictures."""
    for index in range(FIRST, LAST):
        bare = text_case("test", index, tone=TONE)
        if bare.signs.family == "pigmented_lesion" and bare.shots == ("regional", "close_up"):
            return case("test", index, tone=TONE)
    raise RuntimeError("no such case is drawn any more: look further than LAST")


def _is_plaque(signs: Signs) -> bool:
    is_scaly = signs.scale_type == "silvery_lamellar" and signs.shape in {"nummular", "geographic"}
    return is_scaly and (signs.distribution, signs.symmetry) == ("extensor", "symmetric")


def _is_examined(intake: Mapping[str, Any]) -> bool:
    return "not_examined" not in {intake["tongue"]["body_colour"], *intake["pulse"]}


def psoriasis_form(drawn: RenderedCase, language: Language) -> dict[str, Any]:
    """Return the case's own history, tongue and pulse in a complete form, with the four regions of the body."""
    return {
        **CLEAR,
        **form_of(drawn.intake),
        "known_psoriasis": "yes",
        "itch_nrs": 5,
        "impact_nrs": 3,
        "region_area_percent": {"head": 0, "upper": 12, "trunk": 0, "lower": 5},
        "pga": 3,
        "worker": {"impression": IMPRESSION[language], "tier": "T5_local", "worried": "no"},
        "views": [{"shot": view.shot, "body_site": "elbow", "quality": "accepted"} for view in drawn.views],
    }  # fmt: skip


def mole_form(drawn: RenderedCase) -> dict[str, Any]:
    """Return a form whose seven-point checklist asks for an urgent referral."""
    signs = {**CLEAR["danger_signs"], "mole_size_change": "yes", "mole_colour_irregular": "yes"}
    return {
        **CLEAR,
        "age_years": 58,
        "pregnancy": "not_applicable",
        "duration": "three_to_twelve_months",
        "course": "worsening",
        "symptoms": ["increasing_size", "darkening"],
        "bsa_percent": 0.1,
        "danger_signs": signs,
        "worker": {"impression": "dark spot on the back, grew since summer", "tier": "T4_routine", "worried": "no"},
        "views": [{"shot": view.shot, "body_site": "back", "quality": "accepted"} for view in drawn.views],
    }


def sjs_form() -> dict[str, Any]:
    """Return the form of a person with a new drug, blisters, a sore mouth and fever; no picture is needed."""
    yes = (
        "blisters_or_peeling",
        "mouth_eye_genital_sores",
        "skin_pain_severe",
        "fever_now_or_history",
        "widespread_rash",
    )
    return {
        **CLEAR,
        "age_years": 29,
        "sex": "male",
        "pregnancy": "not_applicable",
        "duration": "less_than_one_week",
        "course": "worsening",
        "symptoms": ["pain", "burning"],
        "pain_nrs": 8,
        "new_drug_within_8_weeks": "yes",
        "new_drug_classes": ["antiepileptic"],
        "bsa_percent": 15,
        "vital_signs": {**CLEAR["vital_signs"], "temp_c": 38.9, "heart_rate": 112},
        "danger_signs": {**CLEAR["danger_signs"], **dict.fromkeys(yes, "yes")},
        "worker": {"impression": "blisters and sore mouth", "tier": "T1_emergency", "worried": "yes"},
    }


def _run(
    folder: Path, name: str, drawn: RenderedCase, form: Mapping[str, Any], *, language: str, bundle: Path | None
) -> Path:
    """Bring a case to its page with ``derm-edge case`` in a state folder of its own.

    Raises:
        subprocess.CalledProcessError: the case did not come to a report; its message is on the screen.
    """
    home = folder / name
    (home / "pictures").mkdir(parents=True)
    for number, view in enumerate(drawn.views):
        Image.fromarray(view.pixels).save(home / "pictures" / f"{number}.png")
    (home / "config.toml").write_text(f'state_dir = "{home / "device"}"\n', encoding="utf-8")
    (home / "intake.json").write_text(json.dumps(form), encoding="utf-8")
    page = folder / f"{name}.html"
    words = ["--config", str(home / "config.toml"), "case", "--folder", str(home / "pictures"), "--language", language]
    words += ["--intake", str(home / "intake.json"), "--consent", str(DEMO / "consent.json"), "--html", str(page)]
    words += ["--bundle", str(bundle.absolute())] if bundle else []
    subprocess.run([sys.executable, "-m", "edge_agent", *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return page


def _sjs_page(folder: Path, *, bundle: Path | None) -> Path:
    """Write the page of the case that has no picture: danger signs, triage and plan need none and no model."""
    language: Language = "en"
    agreed = parse_consent((DEMO / "consent.json").read_text(encoding="utf-8"))
    manifest = verify_bundle(engine_wish(load_config(), bundle_dir=bundle)).manifest
    told = rules_only_report(Case(SJS, (), parse_intake(json.dumps(sjs_form())), agreed, WHEN), manifest=manifest)
    page = folder / f"{SJS}.html"
    page.write_text(render_html(told, Vocabulary.load(), language), encoding="utf-8")
    return page


if __name__ == "__main__":
    sys.exit(main())
