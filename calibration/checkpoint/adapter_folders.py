"""List what PEFT folders declare: rank, alpha, targets, type and the backbone that they were trained on.

Does not decide whether an adapter can be carried: its import does, with the tensors in hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calibration.checkpoint.architecture import whole_number
from calibration.checkpoint.headers import read_header
from calibration.checkpoint.layout import is_pointer, pointer_faults
from calibration.export import read_json
from edge_agent.errors import ExportError

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
BASE_DIGEST_NAME = "base.sha256"


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """One adapter as its folder declares it; ``targets`` are the last names of its modules.

    ``base_digest``: content digest of the backbone that it was trained on; None where nobody wrote it down.
    """

    agent: str
    folder: str
    kind: str
    r: int
    alpha: float
    targets: tuple[str, ...]
    dtypes: tuple[str, ...]
    tensors: int
    parameters: int
    is_activated: bool
    base_digest: str | None


def read_adapter_folder(folder: Path, *, agent: str) -> tuple[AdapterFolder | None, list[str]]:
    """Read one PEFT folder's configuration and header.

    Returns:
        The facts, None where they cannot be read, and one line per fault.
    """
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            return None, [f"adapter {agent}: {folder} has no {name}; save the adapter with PEFT"]
    pointers = pointer_faults(folder)
    if is_pointer(folder / CONFIG_NAME) or is_pointer(folder / WEIGHTS_NAME):
        return None, pointers
    header = read_header(folder / WEIGHTS_NAME)
    lines = [*pointers, *(f"adapter {agent}: {line}" for line in header.faults)]
    note = folder / BASE_DIGEST_NAME
    try:
        config = read_json(folder / CONFIG_NAME)
        facts = AdapterFolder(
            agent=agent,
            folder=str(folder),
            kind=_kind(config),
            r=whole_number(config["r"], "r", least=1),
            alpha=float(config["lora_alpha"]),
            targets=_targets(tensor.name for tensor in header.tensors),
            dtypes=tuple(sorted({tensor.dtype for tensor in header.tensors})),
            tensors=len(header.tensors),
            parameters=sum(tensor.elements for tensor in header.tensors),
            is_activated=bool(config.get("alora_invocation_tokens")),
            base_digest=note.read_text(encoding="utf-8").strip()[:64] if note.is_file() else None,
        )
    except (ExportError, OSError, KeyError, TypeError, ValueError, OverflowError) as exc:
        reason = " ".join(str(exc).split())[:120]
        return None, [
            *lines,
            f"adapter {agent}: {folder / CONFIG_NAME}: {reason} is missing or wrong; save it with PEFT",
        ]
    return facts, lines


def _kind(config: dict[str, object]) -> str:
    kind = str(config.get("peft_type", "?"))
    extras = [("use_dora", "DoRA"), ("use_rslora", "rsLoRA"), ("alora_invocation_tokens", "activated")]
    return " ".join([kind, *(label for key, label in extras if config.get(key))])


def _targets(names: Iterable[str]) -> tuple[str, ...]:
    found = set()
    for name in names:
        path = name.partition(".lora_")[0]
        found.add(path.rpartition(".")[2])
    return tuple(sorted(found))
