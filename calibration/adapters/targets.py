"""Say which linears an adapter must have factors for, by PEFT's own matching rules, and compare with what its file has.

Patterns are matched with the names that the modules had in training: under today's names PEFT itself would skip some in
silence. Source: PEFT 0.21.2, ``check_target_module_exists`` and ``_maybe_include_all_linear_layers`` in
``tuners/tuners_utils.py``; a test compares the rules with the library's.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from calibration.adapters.base import BaseShape, Part
from calibration.adapters.keys import REMEDIES, KeyGeneration
from calibration.adapters.settings import BEFORE_THE_LAYER, LoraSettings
from edge_agent.errors import ExportError

_ALL_LINEAR = "all-linear"
_LINEAR_PARTS = {Part.VISION_TOWER, Part.PROJECTOR}  # all-linear leaves the output head out; the rest are no linears
_LAYER = re.compile(r"\.layers\.(\d+)\.")


def is_target(settings: LoraSettings, name: str) -> bool:
    """Tell whether PEFT adapts a module; ``all-linear`` takes every name that is not excluded.

    Args:
        settings: the adapter's.
        name: the module as it was called in training.
    """
    excluded, targets = settings.exclude_modules, settings.target_modules
    if isinstance(excluded, str):
        if re.fullmatch(excluded, name):
            return False
    elif _ends_in(name, excluded):
        return False
    if isinstance(targets, str):
        return targets.lower() == _ALL_LINEAR or re.fullmatch(targets, name) is not None
    if name in targets:
        return True  # a whole path is not filtered by layer
    return _ends_in(name, targets) and _is_chosen_layer(settings, name)


def _ends_in(name: str, endings: Collection[str]) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for ending in endings)


def _is_chosen_layer(settings: LoraSettings, name: str) -> bool:
    if settings.layers_to_transform is None:
        return True
    patterns = [BEFORE_THE_LAYER.format(pattern) for pattern in settings.layers_pattern]
    found = (re.match(pattern, name) for pattern in patterns or [r".*?\.[^.]*\.(?P<index>\d+)\."])
    match = next((one for one in found if one is not None), None)
    return match is not None and int(match["index"]) in settings.layers_to_transform


def expected_targets(settings: LoraSettings, *, base: BaseShape, generation: KeyGeneration) -> list[str]:
    """Return the paths of all linears that the configuration declares, in the base's order.

    Raises:
        ExportError: a declared module can take no branch, or nothing is declared.
    """
    is_all = isinstance(settings.target_modules, str) and settings.target_modules.lower() == _ALL_LINEAR
    for path, part in base.others.items():
        if is_target(settings, generation.trained_name(path)) and (not is_all or part in _LINEAR_PARTS):
            raise ExportError(
                f"{settings.file}: target_modules names {generation.trained_name(path)}, a module of the {part}: "
                f"{REMEDIES[part]}"
            )
    declared = [path for path in base.linears if is_target(settings, generation.trained_name(path))]
    if not declared:
        raise ExportError(
            f"{settings.file}: target_modules matches no linear of the base's {base.layers} layers; train on this base"
        )
    return declared


def check_coverage(
    found: Collection[str], *, declared: Collection[str], base: BaseShape, generation: KeyGeneration, file: Path
) -> None:
    """Compare the linears that the file has factors for with the declared ones: they must be the same.

    Args:
        found: paths with factors in the file.
        declared: what ``expected_targets`` returned.
        base: the backbone.
        generation: how the file spells its keys, for messages.
        file: the adapter's weights, for messages.

    Raises:
        ExportError: a layer or a linear is missing, or a tensor belongs to no declared target; names the first.
    """
    for path in sorted(set(found) - set(declared)):
        raise ExportError(f"{file}: the tensor {generation.key(path, 'A')} {_surplus(path, base=base)}")
    missing = [path for path in declared if path not in found]
    if not missing:
        return
    layer, key = _layer(missing[0]), generation.key(missing[0], "A")
    if all(path in missing for path in declared if _layer(path) == layer):
        raise ExportError(
            f"{file} has nothing for layer {layer} of the base's {base.layers}: the tensor {key} is missing, PEFT would "
            "leave the layer bare in silence; save the adapter again from all shards"
        )
    raise ExportError(f"{file} lacks the tensor {key}, which target_modules declares; save the adapter again")


def _surplus(path: str, *, base: BaseShape) -> str:
    if path in base.linears:
        return (
            "belongs to no module that target_modules declares; put the adapter_config.json of this training beside it"
        )
    if _layer(path) >= base.layers:
        return f"is for layer {_layer(path)}, the base has {base.layers} (from 0); give the base that it was trained on"
    return "is for a linear that the base does not have; give the base that it was trained on"


def _layer(path: str) -> int:
    match = _LAYER.search(path)
    return int(match[1]) if match else -1
