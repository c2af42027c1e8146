"""A random small checkpoint with everything that a sweep reads: adapters, recipes with loose gates, labelled cases."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from calibration.evaluation.case_folder import CaseFile, Label, LabelledView, write_case
from calibration.recipe import recipe_folder
from calibration.reference import agents_spec
from tests.simulators.checkpoint import write_adapters, write_base
from tests.simulators.declaration import write_declared
from tests.simulators.trusted_bundle import CARD, NOTICE, PLAN

# Random logits lie close together: the shipped gates would judge the dice, not the build.
LOOSE = "[gates]\ncanary_max_of_range = 0.9\ncanary_min_argmax = 0.0\ngolden_min_agreement = 0.0\n"
# Strict on logits, as shipped; golden decisions of random weights are thrown dice.
EXACT = "[gates]\ncanary_max_of_range = 0.0001\ncanary_min_argmax = 0.99\ngolden_min_agreement = 0.0\n"


@dataclass(frozen=True)
class SweepSource:
    """Folders of one random checkpoint and what goes with it."""

    folder: Path
    base: Path
    adapters: dict[str, Path]

    def recipe(self, name: str, *, gates: str = LOOSE, called: str | None = None) -> Path:
        """Return a shipped recipe with other gates, as a file of its own."""
        text = (recipe_folder() / f"{name}.toml").read_text(encoding="utf-8").split("[gates]")[0] + gates
        text = text.replace(f'name = "{name}"', f'name = "{called or name}"')
        path = self.folder / f"{called or name}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def arguments(self, *recipes: Path, out: Path) -> list[str]:
        """Return ``sweep``'s arguments."""
        adapters = [f"--adapter={name}={folder}" for name, folder in self.adapters.items()]
        return ["sweep", f"--base={self.base}", *adapters, *(f"--recipe={one}" for one in recipes), f"--out={out}"]

    def acceptance(self, base: Path, *, out: Path) -> list[str]:
        """Return ``accept``'s arguments: INT8 beside FP32, of this checkpoint or of a copy of it."""
        adapters = [f"--adapter={name}={folder}" for name, folder in self.adapters.items()]
        reference, recipe = self.recipe("fp32", gates=EXACT), self.recipe("int8")
        return ["accept", str(base), *adapters, f"--reference={reference}", f"--recipe={recipe}", f"--out={out}"]


def write_source(folder: Path) -> SweepSource:
    """Write the checkpoint and its adapters (some seconds)."""
    schemas = (json.dumps(schema(), separators=(",", ":")) for schema in agents_spec.SCHEMAS.values())
    base = write_base(folder / "base", [*agents_spec.PROMPTS.values(), *schemas])
    write_declared(base)
    return SweepSource(folder, base, write_adapters(folder / "adapters", base))


def write_papers(base: Path) -> None:
    """Write what ``verify`` asks for beside a random checkpoint: model card, change plan and figures."""
    notice = json.loads((base / "derm_edge.json").read_text(encoding="utf-8"))["notice"]
    (base / "README.md").write_text(CARD.replace(NOTICE, notice), encoding="utf-8")
    (base / "pccp.toml").write_text(PLAN.replace('lineage = "paper"', 'lineage = "random"'), encoding="utf-8")
    figures = {"accuracy": {"family": 0.95}, "accuracy_per_tone": {"5": 0.94}}
    (base / "metrics.json").write_text(json.dumps(figures), encoding="utf-8")


def write_labelled_cases(folder: Path) -> Path:
    """Write two labelled cases of one random picture each, one per tone group; what they say is not true of anything."""
    random = np.random.default_rng(11)
    for number, (tone, family) in enumerate((("1", "papulosquamous"), ("5", "papulosquamous"))):
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((112, 112)).save(buffer, "PNG")
        labels: dict[str, Label] = {"applicability": "lesion_visible", "family": family}
        file = CaseFile(
            case_id=f"case-{number}",
            tone_group=tone,
            in_scope=True,
            views=[LabelledView(picture="1.png", shot="close_up", labels=labels)],
        )
        write_case(folder, file, {"1.png": buffer.getvalue()})
    return folder
