"""Read a compression recipe: data in TOML, validated before anything is exported.

Every option of ``[language_model]`` has NNCF's own name (``nncf.compress_weights``); ``calibration.recipe_rules`` says
which of them may stand together. Does not compress: ``calibration.compress`` does, and ``calibration.census`` checks
what came out.
"""

from __future__ import annotations

import difflib
import tomllib
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from calibration import recipe_rules
from calibration.evaluation.limits import QualityGate, default_gates, merge_gates
from edge_agent.contracts.manifest import Strict
from edge_agent.errors import CompressionError

WeightMode = Literal["none", "int8_sym", "int8_asym", "int4_sym", "int4_asym"]
BackupMode = Literal["none", "int8_sym", "int8_asym"]
SensitivityMetric = Literal[
    "weight_quantization_error",
    "hessian_input_activation",
    "mean_activation_variance",
    "max_activation_variance",
    "mean_activation_magnitude",
]
DATA_FREE_METRIC = "weight_quantization_error"
# One recipe, two names: `int4` is what scripts and older notes call it.
ALIASES = {"int4": "int4-data-free"}


class ScaleEstimationParams(Strict):
    """NNCF's ``AdvancedScaleEstimationParameters``, with its defaults."""

    subset_size: int = Field(default=64, gt=0)
    initial_steps: int = Field(default=5, ge=0)
    scale_steps: int = Field(default=5, ge=0)
    weight_penalty: float = Field(default=-1.0, allow_inf_nan=False)


class GptqParams(Strict):
    """NNCF's ``AdvancedGPTQParameters``, with its defaults."""

    damp_percent: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    block_size: int = Field(default=128, gt=0)
    subset_size: int = Field(default=128, gt=0)


class AdvancedParameters(Strict):
    """The part of NNCF's ``AdvancedCompressionParameters`` that a recipe may set."""

    group_size_fallback_mode: Literal["error"] = "error"
    scale_estimation_params: ScaleEstimationParams | None = None
    gptq_params: GptqParams | None = None


class LanguageModelRecipe(Strict):
    """Weights of the decoder's linears; ``backup_mode`` is the mode of lm_head and of what ``ratio`` leaves out.

    ``subset_size`` counts captured conversations. What may stand together: ``calibration.recipe_rules``.
    """

    mode: WeightMode
    group_size: int = Field(default=-1, ge=-1)
    ratio: float = Field(default=1.0, gt=0, le=1)
    backup_mode: BackupMode | None = None
    all_layers: bool = False
    sensitivity_metric: SensitivityMetric | None = None
    scale_estimation: bool = False
    gptq: bool = False
    awq: Literal[False] = False
    lora_correction: Literal[False] = False
    subset_size: int | None = Field(default=None, gt=0)
    advanced_parameters: AdvancedParameters = AdvancedParameters()

    @property
    def is_int4(self) -> bool:
        """Tell whether the decoder's linears become INT4."""
        return self.mode.startswith("int4")

    @property
    def rest_mode(self) -> WeightMode:
        """Return the mode of what ``ratio`` leaves out, and of lm_head unless ``all_layers``."""
        return self.backup_mode if self.is_int4 and self.backup_mode is not None else self.mode

    @property
    def conversations(self) -> int:
        """Return how many captured conversations NNCF looks at, at most."""
        sizes = [self.subset_size or 0]
        if self.gptq:
            sizes.append((self.advanced_parameters.gptq_params or GptqParams()).subset_size)
        return max(sizes)

    @property
    def needs_data(self) -> bool:
        """Tell whether NNCF looks at activations, so that cases must be captured."""
        by_metric = self.sensitivity_metric not in (None, DATA_FREE_METRIC)
        return self.scale_estimation or self.gptq or by_metric

    @model_validator(mode="after")
    def _check(self) -> LanguageModelRecipe:
        options = self.model_dump()
        recipe_rules.check_language_model(options, given=self.model_fields_set, needs_data=self.needs_data)
        recipe_rules.check_advanced(options)
        return self


class PartRecipe(Strict):
    """Weights of one part, all in one mode, one scale per output row."""

    mode: Literal["none", "int8_sym", "int8_asym"]


class AdapterRecipe(Strict):
    """Mode of every adapter, each compressed alone: floats, or INT8 with one scale per row."""

    mode: Literal["none", "int8_sym"]

    @field_validator("mode", mode="before")
    @classmethod
    def _refuse_int4(cls, value: object) -> object:
        recipe_rules.check_adapter_mode(value)
        return value

    @property
    def precision(self) -> Literal["f32", "int8"]:
        """Return what the manifest calls it."""
        return "f32" if self.mode == "none" else "int8"


class CalibrationRecipe(Strict):
    """How activations are collected for a recipe that needs data.

    ``threads``: of OpenVINO and of the linear algebra, since sums are taken in an order that depends on it and GPTQ
    feeds its own rounding back; the same number gives the same bytes.
    """

    threads: int = Field(ge=1)


class GateRecipe(Strict):
    """What the finished bundle must reach, or the build leaves nothing behind.

    ``canary_max_of_range``: largest |logit difference| against PyTorch + PEFT, as a share of the expected
    logits' range. ``canary_min_argmax``, ``golden_min_agreement``: least share of equal decisions (0..1).
    ``coder_max_wrong``, ``coder_max_filled``: largest share (0..1) of told values that the coder's second turn reads wrong,
    and of silent fields that it fills; ``coder_min_right``: least share of told values that it reads right. Judged only
    where the bundle declares ``coder``.
    ``quality``: rows on top of the default quality gates of an evaluation (``calibration.evaluation.limits``).
    """

    canary_max_of_range: float = Field(gt=0, lt=1)
    canary_min_argmax: float = Field(ge=0, le=1)
    golden_min_agreement: float = Field(ge=0, le=1)
    coder_max_wrong: float = Field(default=0.05, ge=0, le=1)
    coder_max_filled: float = Field(default=0.05, ge=0, le=1)
    coder_min_right: float = Field(default=0.25, ge=0, le=1)
    quality: list[QualityGate] = Field(default_factory=list)


class Recipe(Strict):
    """One recipe: what happens to every weight, and what the result must reach."""

    name: str
    language_model: LanguageModelRecipe
    vision: PartRecipe
    embeddings: PartRecipe
    adapters: AdapterRecipe
    calibration: CalibrationRecipe | None = None
    gates: GateRecipe

    @model_validator(mode="after")
    def _check_calibration(self) -> Recipe:
        if self.language_model.needs_data and self.calibration is None:
            raise ValueError("this recipe looks at activations: add [calibration] with threads = 1")
        if self.calibration is not None and not self.language_model.needs_data:
            raise ValueError("[calibration] is for recipes that look at activations; remove it")
        return self


def is_uncompressed(recipe: Recipe) -> bool:
    """Tell whether a recipe leaves every weight as it is."""
    modes = {recipe.language_model.mode, recipe.vision.mode, recipe.embeddings.mode, recipe.adapters.mode}
    return modes == {"none"}


def recipe_folder() -> Path:
    """Return the folder of the recipes that the package brings along."""
    return Path(__file__).resolve().parent / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes, aliases included."""
    return sorted({path.stem for path in recipe_folder().glob("*.toml")} | set(ALIASES))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by name (``int4-se``), by alias (``int4``) or by path (``./mine.toml``).

    Raises:
        CompressionError: no such recipe, not TOML, an unknown key, a refused method, a value out of range, or a
            quality gate that is looser than a hard one or asks of a part that its metric does not have.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = recipe_folder() / f"{ALIASES.get(name_or_path, name_or_path)}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise CompressionError(f"no recipe {name_or_path!r}; use a path or one of {', '.join(recipe_names())}") from exc
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
        if isinstance(table, dict):
            recipe_rules.check_keys(section, table, source=source)
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = _suggest(first["loc"]) if first["type"] == "extra_forbidden" else ""
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise CompressionError(f"{source}: {where + ': ' if where else ''}{reason}{hint}") from exc
    # An evaluation merges them again; what it would refuse is refused before the export.
    merge_gates(default_gates(), recipe.gates.quality, source=source)
    return recipe


def _suggest(location: tuple[int | str, ...]) -> str:
    owner: type[BaseModel] = Recipe
    for part in (one for one in location[:-1] if isinstance(one, str)):
        owner = _model_of(owner.model_fields[part].annotation)
    close = difflib.get_close_matches(str(location[-1]), list(owner.model_fields), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(owner.model_fields)}"


def _model_of(annotation: Any) -> type[BaseModel]:
    """Return the table that an annotation stands for, without its ``| None`` or the list around it."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is list:
        annotation = get_args(annotation)[0]
    found: type[BaseModel] = annotation
    return found
