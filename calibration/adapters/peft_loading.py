"""Load adapters into PyTorch with PEFT as they were trained, and prove that every tensor arrived.

PEFT alone computes ranks, scales and activations here: the expected values of a bundle must not come from the import
that they judge. Three of its silences are closed (PEFT 0.21.2, transformers 4.57.6; each measured on a random model):
``load_adapter`` does not translate old keys as ``from_pretrained`` does, a second adapter is then bare (logits 1.4 off);
patterns of an old adapter are matched with today's module names (an ``alpha_pattern`` ignored: 5.1 off); and a model that
was wrapped without ``task_type`` never activates an activated LoRA (0.8 off).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.adapters.keys import PREFIX
from edge_agent.errors import ExportError

_LAYERS = re.compile(rf"^(?:{re.escape(PREFIX)})+model\.(?:language_model\.)?layers\.")
_TODAY = f"{PREFIX}model.language_model.layers."


def load_with_peft(model: Any, *, name: str, folder: Path) -> Any:
    """Add one adapter to a model and return the PeftModel.

    Does not switch it on, and does not check what the import checks before.

    Args:
        model: the transformers model, or what an earlier call returned.
        name: what ``set_adapter`` will call it.
        folder: saved by PEFT.

    Raises:
        ExportError: PEFT refuses the folder, or a tensor did not arrive as it is in the file.
    """
    from peft import PeftConfig, PeftModel, PeftModelForCausalLM
    from peft.utils.save_and_load import load_peft_weights, set_peft_model_state_dict

    try:
        config = PeftConfig.from_pretrained(str(folder))
        weights = load_peft_weights(str(folder), device="cpu")
        renamed = {key: _LAYERS.sub(_TODAY, key) for key in weights}
        if any(key != now for key, now in renamed.items()):
            _rename_modules(config, renamed)
        config.inference_mode = True
        if isinstance(model, PeftModel):
            model.add_adapter(name, config)
        else:
            model = PeftModelForCausalLM(model, config, adapter_name=name)
        state = {renamed[key]: tensor for key, tensor in weights.items()}
        set_peft_model_state_dict(model, dict(state), adapter_name=name)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as exc:
        raise ExportError(f"PEFT cannot load {folder}: {' '.join(str(exc).split())[:200]}") from exc
    _check_arrived(model, name=name, expected=state, folder=folder)
    return model


def _rename_modules(config: Any, renamed: Mapping[str, str]) -> None:
    """Write the configuration of an old adapter in today's names; ranks and alphas are looked up by its own."""
    from peft.utils.other import get_pattern_key

    modules = {_module(now): _module(was) for was, now in renamed.items()}
    ranks, alphas = dict(config.rank_pattern), dict(config.alpha_pattern)
    # PEFT matches a pattern with any end of the name; a whole name, anchored, matches itself alone.
    config.rank_pattern = {
        f"^{re.escape(now)}": ranks.get(get_pattern_key(ranks, was), config.r) for now, was in modules.items()
    }
    config.alpha_pattern = {
        f"^{re.escape(now)}": alphas.get(get_pattern_key(alphas, was), config.lora_alpha)
        for now, was in modules.items()
    }
    config.target_modules = set(modules)
    config.exclude_modules = config.layers_to_transform = config.layers_pattern = None


def _module(key: str) -> str:
    return key.removeprefix(PREFIX).rpartition(".lora_")[0]


def _check_arrived(model: Any, *, name: str, expected: Mapping[str, Any], folder: Path) -> None:
    """Compare the model's factors with the file's, one by one."""
    import torch
    from peft import get_peft_model_state_dict

    found = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    if different := sorted(set(found) ^ set(expected)):
        where = "is in the file alone" if different[0] in expected else "is in the model alone"
        raise ExportError(f"{folder}: PEFT left {different[0]} out, it {where}; save the adapter again")
    for key, tensor in expected.items():
        if not torch.equal(found[key].float(), tensor.float()):
            raise ExportError(f"{folder}: PEFT changed {key} while loading it; save the adapter again")
