"""Read adapter_config.json: what the factors mean, and every setting that a device cannot honour refused by name.

Source: PEFT 0.21.2, ``tuners/lora/config.py`` and ``tuners/lora/layer.py``. Initialisations that leave the base's weights
alone (Gaussian, orthogonal, EVA, MiCA) are ordinary LoRA afterwards; PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA subtract
their start from the base, so that the factors fit another base than the one at hand.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.errors import ExportError

CONFIG_NAME = "adapter_config.json"
_SHARED = "which a backbone shared by three agents cannot carry"
# The value that is honoured, and why any other is not.
_ONLY: dict[str, tuple[Any, str]] = {
    "use_dora": (False, f"DoRA rescales the base's weights, {_SHARED}"),
    "use_qalora": (False, "QALoRA pools the linear's input"),
    "fan_in_fan_out": (False, "the base's linears are not transposed"),
    "bias": ("none", f"trained biases change the base, {_SHARED}"),
    "lora_bias": (False, "the device's branches have no bias"),
}
_EMPTY = {
    "modules_to_save": f"whole retrained modules change the base, {_SHARED}",
    "trainable_token_indices": f"retrained tokens change the embeddings, {_SHARED}; put new tokens into the base",
    "target_parameters": "the base has no such parameters to adapt",
    "layer_replication": "the base's layers are not repeated on the device",
    "megatron_config": "factors split over machines cannot be read",
    "arrow_config": "routing between adapters is not built",
    "use_bdlora": "block-diagonal factors are not built",
    "velora_config": "VeLoRA is not built",
    "kasa_config": "KaSA truncates the base's weights",
    "monteclora_config": "MonteCLoRA samples its factors",
}
# Settings that only matter while training, that init_lora_weights decides, or that are read below.
_NEUTRAL = {
    "alora_invocation_tokens", "alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config",
    "ensure_weight_tying", "eva_config", "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern",
    "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout", "lora_ga_config", "megatron_core", "peft_type",
    "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
_LARGEST = 2**53  # above it a float does not hold every whole number, and math refuses some
_HARMLESS_STARTS = (True, False, "gaussian", "orthogonal", "eva", "mica")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """What an adapter was trained with; module names and patterns are in the spelling of its training.

    Attributes:
        file: the configuration, for messages.
        r, alpha, rank_pattern, alpha_pattern: rank and alpha, and the exceptions by pattern; the first match counts.
        is_rank_stabilised: rsLoRA, scale alpha / sqrt(r) instead of alpha / r.
        target_modules, exclude_modules: a regular expression (str) or names; ``all-linear`` is a word of PEFT's.
        layers_to_transform, layers_pattern: only these layers; None and () take all.
        invocation: invocation token ids of an activated LoRA; () for a plain one.
    """

    file: Path
    r: int
    alpha: float
    rank_pattern: Mapping[str, int]
    alpha_pattern: Mapping[str, float]
    is_rank_stabilised: bool
    target_modules: str | tuple[str, ...]
    exclude_modules: str | tuple[str, ...]
    layers_to_transform: tuple[int, ...] | None
    layers_pattern: tuple[str, ...]
    invocation: tuple[int, ...]

    @property
    def technique(self) -> str:
        """Return the technique's name, for the record."""
        return ("activated " if self.invocation else "") + ("rsLoRA" if self.is_rank_stabilised else "LoRA")

    def rank_of(self, name: str) -> int:
        """Return a module's rank.

        Args:
            name: the module as it was called in training.
        """
        return int(_patterned(self.rank_pattern, name, default=self.r))

    def scale_of(self, name: str) -> float:
        """Return the factor of B A: alpha / r, or alpha / sqrt(r) for rsLoRA."""
        alpha, rank = float(_patterned(self.alpha_pattern, name, default=self.alpha)), self.rank_of(name)
        return alpha / math.sqrt(rank) if self.is_rank_stabilised else alpha / rank


# How PEFT puts a pattern into an expression of its own.
_AT_THE_END = r"(.*\.)?({})$"
BEFORE_THE_LAYER = r"(?:^|.*?\.){}\.(?P<index>\d+)\."


def _patterned(pattern: Mapping[str, Any], name: str, *, default: Any) -> Any:
    """Look a module up as PEFT's ``get_pattern_key`` does: the first key that is the name or matches its end."""
    return next((value for key, value in pattern.items() if re.match(_AT_THE_END.format(key), name)), default)


def read_settings(peft_dir: Path) -> LoraSettings:
    """Read ``adapter_config.json``.

    Raises:
        ExportError: unreadable, or a setting that cannot be honoured; names the file, the setting and what to do.
    """
    file = peft_dir / CONFIG_NAME
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ExportError(f"{file} cannot be read; save the adapter with PeftModel.save_pretrained") from exc
    if not isinstance(config, dict):
        raise ExportError(f"{file} is not a JSON object; save the adapter with PeftModel.save_pretrained")
    _refuse_techniques(config, file=file)
    return LoraSettings(
        file=file,
        r=_number(config.get("r"), "r", file=file, whole=True),
        alpha=_number(config.get("lora_alpha"), "lora_alpha", file=file),
        rank_pattern=_pattern(config, "rank_pattern", file=file, whole=True),
        alpha_pattern=_pattern(config, "alpha_pattern", file=file),
        is_rank_stabilised=bool(config.get("use_rslora")),
        target_modules=_names(config, "target_modules", file=file),
        exclude_modules=_names(config, "exclude_modules", file=file),
        layers_to_transform=_layers(config, file=file),
        layers_pattern=_layer_patterns(config, file=file),
        invocation=_invocation(config, file=file),
    )


def _refuse_techniques(config: Mapping[str, Any], *, file: Path) -> None:
    """Refuse everything that changes what the factors mean."""
    if (kind := config.get("peft_type")) != "LORA":
        raise ExportError(f"{file}: peft_type = {kind!r} is not a LoRA; train one (peft_type 'LORA')")
    start = config.get("init_lora_weights", True)
    if (start.lower() if isinstance(start, str) else start) not in _HARMLESS_STARTS:
        raise ExportError(
            f"{file}: init_lora_weights = {start!r} changes the base's weights, so the factors do not fit this base; "
            "save with save_pretrained(path_initial_model_for_weight_conversion=...), which turns them into a plain LoRA"
        )
    for key, value in config.items():
        if key in _NEUTRAL:
            continue
        if key in _ONLY:
            honoured, why = _ONLY[key]
            if value not in (None, honoured):
                raise ExportError(f"{file}: {key} = {value!r}: {why}; train with {key} = {honoured!r}")
        elif value not in (None, False, [], {}, ""):
            why = _EMPTY.get(key, "this program does not know it, and ignoring it could change the adapter")
            raise ExportError(f"{file}: {key} = {value!r}: {why}; train without it")


def _number(value: Any, key: str, *, file: Path, whole: bool = False) -> Any:
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not good or not 0 < value < _LARGEST:  # a number that is none is not between them either
        kind = "whole number" if whole else "number"
        raise ExportError(f"{file}: {key} = {value!r} is not a positive {kind}; save the adapter again")
    return value


def _pattern(config: Mapping[str, Any], key: str, *, file: Path, whole: bool = False) -> dict[str, Any]:
    table = config.get(key) or {}
    if not isinstance(table, dict):
        raise ExportError(f"{file}: {key} is not an object of patterns; save the adapter again")
    for pattern in table:
        _check_expression(pattern, key, file=file, form=_AT_THE_END)
    return {pattern: _number(value, f"{key}[{pattern!r}]", file=file, whole=whole) for pattern, value in table.items()}


def _names(config: Mapping[str, Any], key: str, *, file: Path) -> str | tuple[str, ...]:
    value = config.get(key) or ()
    if isinstance(value, str):
        _check_expression(value, key, file=file)
        return value
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ExportError(f"{file}: {key} is neither a list of names nor an expression; save the adapter again")
    if key == "target_modules" and not value:
        raise ExportError(f"{file}: target_modules names nothing; name the adapted linears, as PEFT does when it saves")
    return tuple(value)


def _layers(config: Mapping[str, Any], *, file: Path) -> tuple[int, ...] | None:
    value = config.get("layers_to_transform")
    if value is None or value == []:
        return None  # PEFT takes an empty list for "all"
    layers = value if isinstance(value, list) else [value]
    if isinstance(config.get("target_modules"), str) or not all(isinstance(layer, int) for layer in layers):
        raise ExportError(
            f"{file}: layers_to_transform = {value!r} needs whole numbers and a list of target_modules; name the layers "
            "in the expression instead"
        )
    return tuple(layers)


def _layer_patterns(config: Mapping[str, Any], *, file: Path) -> tuple[str, ...]:
    value = config.get("layers_pattern") or []
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ExportError(
            f"{file}: layers_pattern = {value!r} is neither a name nor a list of names; save the adapter again"
        )
    for pattern in patterns:
        _check_expression(pattern, "layers_pattern", file=file, form=BEFORE_THE_LAYER)
    return tuple(patterns)


def _invocation(config: Mapping[str, Any], *, file: Path) -> tuple[int, ...]:
    value = config.get("alora_invocation_tokens")
    if value is None:
        return ()
    if not isinstance(value, list) or not value or not all(isinstance(token, int) for token in value):
        raise ExportError(f"{file}: alora_invocation_tokens = {value!r} names no token ids; train with an invocation")
    if config.get("task_type") != "CAUSAL_LM":
        raise ExportError(
            f"{file}: an activated LoRA learns nothing without task_type CAUSAL_LM (here {config.get('task_type')!r}); "
            "train it again with it"
        )
    return tuple(value)


def _check_expression(pattern: str, key: str, *, file: Path, form: str = "{}") -> None:
    """Refuse what is no expression, alone or where it is put: ``(?i)layers`` is one only at the start."""
    try:
        re.compile(pattern)
        re.compile(form.format(pattern))
    except (re.error, OverflowError, RecursionError) as exc:
        raise ExportError(
            f"{file}: {key}: {pattern!r} is no regular expression ({exc}); save the adapter again"
        ) from exc
