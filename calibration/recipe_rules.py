"""Say which options of a recipe may stand together, and why the others may not.

NNCF refuses some combinations only in the middle of a build and accepts others in silence, with another result than
asked. Here they are refused before the export; ``tests/parity/test_recipes.py`` shows for each what NNCF 3.4 does.
Does not know shapes but for ``check_group_size``, and runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from edge_agent.errors import CompressionError

# What an INT8 recipe must leave alone, with the value that says nothing.
_INT4_ONLY: dict[str, object] = {
    "ratio": 1.0,
    "group_size": -1,
    "backup_mode": None,
    "all_layers": False,
    "sensitivity_metric": None,
    "scale_estimation": False,
    "gptq": False,
    "subset_size": None,
}
_RENAMED = {
    ("language_model", "backup"): "backup_mode",
    ("language_model", "advanced"): "advanced_parameters",
    ("adapters", "precision"): "mode (int8 is int8_sym, f32 is none)",
}
_METHODS = {
    "awq": "AWQ rescales up_proj and down_proj: the bare graph stays the same, a grafted adapter does not, and folding the "
    "scales into the adapters would bind each adapter to one compressed bundle instead of to its backbone; use "
    "scale_estimation",
    "lora_correction": "LoRA correction adds branches of its own to the backbone, which the census does not know, and NNCF "
    "refuses it together with gptq; use scale_estimation or gptq",
}
_INT4_ADAPTERS = (
    "INT4 adapters are not built: even with one scale per rank (group = r) their error is more than ten times INT8's, for "
    "about one percent of the bundle's size; use int8_sym"
)
_FALLBACK = (
    "it changes the precision of weights in silence where the group size does not fit; choose a group size that fits"
)


def check_keys(section: str, table: Mapping[str, Any], *, source: str) -> None:
    """Refuse keys that were renamed, methods that break adapters, and ways to lose track of precision or data.

    Args:
        section: the table's name.
        table: its keys and values, not validated yet.
        source: where it came from, for messages.

    Raises:
        CompressionError: names the key, and the one to use.
    """
    for key in table:
        if (section, key) in _RENAMED:
            raise CompressionError(
                f"{source}: {section}.{key} is now called {_RENAMED[section, key]}, NNCF's own name; rename it"
            )
        if key in _METHODS and table[key]:
            raise CompressionError(f"{source}: {section}.{key} is refused: {_METHODS[key]}")
    advanced = table.get("advanced_parameters")
    where = f"{source}: {section}.advanced_parameters"
    if isinstance(advanced, dict):
        if advanced.get("group_size_fallback_mode", "error") != "error":
            raise CompressionError(f"{where}.group_size_fallback_mode is refused: {_FALLBACK}")
        if "statistics_path" in advanced:
            raise CompressionError(f"{where}.statistics_path is refused: it keeps what was captured from cases on disk")


def check_language_model(options: Mapping[str, Any], *, given: Set[str], needs_data: bool) -> None:
    """Check ``[language_model]``'s options against each other.

    Args:
        options: all of them, with defaults.
        given: the keys that the recipe wrote down.
        needs_data: whether any of them makes NNCF look at activations.

    Raises:
        ValueError: two options contradict each other, or one would do nothing.
    """
    mode = options["mode"]
    if options["group_size"] == 0:
        raise ValueError("group_size is -1 (per channel) or a positive number")
    if not mode.startswith("int4"):
        for key, nothing in _INT4_ONLY.items():
            if options[key] != nothing:
                raise ValueError(f"{key} is for INT4 modes only; remove it")
        return
    for key in ("group_size", "backup_mode"):
        if key not in given or options[key] is None:
            raise ValueError(f"{mode} needs {key}; NNCF's default need not be yours")
    if options["ratio"] < 1 and options["sensitivity_metric"] is None:
        raise ValueError("a ratio below 1 needs sensitivity_metric; NNCF's default changes as soon as there is data")
    if options["ratio"] == 1 and options["sensitivity_metric"] is not None:
        raise ValueError("sensitivity_metric chooses what a ratio below 1 leaves out; remove it or lower the ratio")
    if options["subset_size"] is not None and not needs_data:
        raise ValueError("subset_size is for recipes that look at activations; remove it")
    if options["subset_size"] is None and needs_data:
        raise ValueError("a recipe that looks at activations needs subset_size, the number of conversations")


def check_advanced(options: Mapping[str, Any]) -> None:
    """Refuse advanced parameters that NNCF would not read.

    Args:
        options: ``[language_model]``'s options, with defaults.

    Raises:
        ValueError: naming the table and the option that it belongs to.
    """
    advanced = options["advanced_parameters"]
    if advanced["gptq_params"] is not None and not options["gptq"]:
        raise ValueError("advanced_parameters.gptq_params without gptq does nothing; remove it")
    if advanced["scale_estimation_params"] is None:
        return
    if not options["scale_estimation"]:
        raise ValueError("advanced_parameters.scale_estimation_params without scale_estimation does nothing; remove it")
    if options["gptq"]:
        raise ValueError("GPTQ estimates scales with parameters of its own; remove scale_estimation_params")


def check_adapter_mode(mode: object) -> None:
    """Refuse INT4 adapters with the reason; other values are the schema's business.

    Raises:
        ValueError: the mode is INT4.
    """
    if isinstance(mode, str) and mode.startswith("int4"):
        raise ValueError(_INT4_ADAPTERS)


def check_group_size(group_size: int, linears: Mapping[str, tuple[int, int]]) -> None:
    """Hold the group size against the inputs of the linears that shall be INT4, before anything is exported.

    Args:
        group_size: -1 is one scale per row and always fits.
        linears: (out, in) by module path.

    Raises:
        CompressionError: naming the first linear that does not fit and the largest usual group size that fits all.
    """
    if group_size == -1:
        return
    for name, (_, width) in linears.items():
        if width % group_size:
            fitting = [size for size in (128, 64, 32, 16) if all(one % size == 0 for _, one in linears.values())]
            advice = f"use {fitting[0]}" if fitting else "use -1"
            raise CompressionError(f"group_size {group_size} does not divide the {width} inputs of {name}; {advice}")
