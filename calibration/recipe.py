"""Read a compression recipe: data in TOML, validated before anything is exported.

Does not compress; ``calibration.compress`` does, and ``calibration.census`` checks what came out.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from edge_agent.contracts.manifest import Strict
from edge_agent.errors import CompressionError

WeightMode = Literal["none", "int8_sym", "int8_asym", "int4_sym", "int4_asym"]
BackupMode = Literal["none", "int8_sym", "int8_asym"]
_REFUSED = {
    "awq": "AWQ rescales up_proj and down_proj, which breaks grafted adapters (measured: error 1.51 against .07)",
    "gptq": "GPTQ must be calibrated through the grafted adapters, which this version cannot do",
    "scale_estimation": "scale estimation must be calibrated through the grafted adapters, which this version cannot do",
    "lora_correction": "LoRA correction adds branches that the device's graft does not know",
}


class LanguageModelRecipe(Strict):
    """Weights of the decoder's linears; ``backup`` is the mode of lm_head and of what ``ratio`` leaves out."""

    mode: WeightMode
    group_size: int = Field(default=64, ge=-1)
    ratio: float = Field(default=1.0, gt=0, le=1)
    backup: BackupMode = "int8_asym"

    @model_validator(mode="after")
    def _check(self) -> LanguageModelRecipe:
        if self.group_size == 0:
            raise ValueError("group_size is -1 (per channel) or a positive number")
        if not self.mode.startswith("int4") and self.ratio != 1.0:
            raise ValueError("ratio is for INT4 modes only; remove it")
        return self


class PartRecipe(Strict):
    """Weights of one part, all in one mode, one scale per output row."""

    mode: Literal["none", "int8_sym", "int8_asym"]


class AdapterRecipe(Strict):
    """Precision of every adapter, each compressed alone."""

    precision: Literal["f32", "int8"]


class GateRecipe(Strict):
    """What the finished bundle must reach, or the build leaves nothing behind.

    ``canary_max_of_range``: largest |logit difference| against PyTorch + PEFT, as a share of the expected
    logits' range. ``canary_min_argmax``, ``golden_min_agreement``: least share of equal decisions (0..1).
    """

    canary_max_of_range: float = Field(gt=0, lt=1)
    canary_min_argmax: float = Field(ge=0, le=1)
    golden_min_agreement: float = Field(ge=0, le=1)


class Recipe(Strict):
    """One recipe: what happens to every weight, and what the result must reach."""

    name: str
    language_model: LanguageModelRecipe
    vision: PartRecipe
    embeddings: PartRecipe
    adapters: AdapterRecipe
    gates: GateRecipe


def recipe_folder() -> Path:
    """Return the folder of the recipes that the package brings along."""
    return Path(__file__).resolve().parent / "recipes"


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by name (``int4``) or by path (``./mine.toml``).

    Raises:
        CompressionError: no such recipe, not TOML, an unknown key, a refused method or a value out of range.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = recipe_folder() / f"{name_or_path}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        names = sorted(p.stem for p in recipe_folder().glob("*.toml"))
        raise CompressionError(f"no recipe {name_or_path!r}; use a path or one of {', '.join(names)}") from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise CompressionError(f"recipe {path} cannot be read: {exc}") from exc
    return parse_recipe(document, source=str(path))


def parse_recipe(document: dict[str, Any], *, source: str) -> Recipe:
    """Validate a recipe document; see ``load_recipe`` for the errors.

    Args:
        document: the parsed TOML.
        source: where it came from, for messages.
    """
    for section, table in document.items():
        for key in table if isinstance(table, dict) else ():
            if key in _REFUSED and table[key]:
                raise CompressionError(f"{source}: {section}.{key} is refused: {_REFUSED[key]}")
    try:
        return Recipe.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = _suggest(first["loc"]) if first["type"] == "extra_forbidden" else ""
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise CompressionError(f"{source}: {where}: {reason}{hint}") from exc


def _suggest(location: tuple[int | str, ...]) -> str:
    owner: Any = Recipe
    for part in location[:-1]:
        owner = owner.model_fields[str(part)].annotation
    close = difflib.get_close_matches(str(location[-1]), list(owner.model_fields), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(owner.model_fields)}"
