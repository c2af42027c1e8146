"""A checkpoint in PyTorch takes no memory of its own, and computes as a float32 copy does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibration.checkpoint.shape import write_shape
from calibration.checkpoint.shapes import SHAPES

torch = pytest.importorskip("torch")

PROBE = """
import re, sys
from pathlib import Path
import torch
from calibration.mapped_model import load_mapped, widen_on_use
def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
from transformers import Qwen2_5_VLForConditionalGeneration
before = anonymous()
model = load_mapped(Path(sys.argv[1]))
widen_on_use(model)
with torch.no_grad():
    for _ in range(2):
        model(input_ids=torch.tensor([[5, 6, 7]]))
print(anonymous() - before, sum(weight.numel() for weight in model.parameters()))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two layers in bf16."""
    return write_shape(SHAPES["reference"].with_layers(2), tmp_path_factory.mktemp("shape") / "checkpoint")


def test_weights_stay_in_their_file(tmp_path: Path) -> None:
    """A checkpoint of 0.3 GB in bf16 computes with a fraction of that in memory that no file stands behind."""
    shape = replace(SHAPES["0.6b"].with_layers(4), first_special=32_000)
    folder = write_shape(shape, tmp_path / "checkpoint")
    done = subprocess.run([sys.executable, "-c", PROBE, str(folder)], check=True, capture_output=True, text=True)
    grown, parameters = map(int, done.stdout.split()[-2:])
    head = 4 * shape.vocab_size * shape.hidden_size  # the one matrix that is widened last
    assert 2 * parameters > 2.0e8
    assert grown < head + 0.8e8 < 4 * parameters / 2


def outputs(model: Any) -> list[Any]:
    """Logits of three tokens and the features of a picture of 4 x 4 patches."""
    ids, patches = torch.tensor([[5, 6, 7]]), torch.linspace(-1, 1, 16 * 1176).reshape(16, 1176)
    with torch.no_grad():
        return [model(input_ids=ids).logits, model.model.visual(patches, grid_thw=torch.tensor([[1, 4, 4]]))]


def test_outputs_are_those_of_a_float32_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number is the same float; where a matrix is taken in pieces, up to the last bits of a sum."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    from calibration import mapped_model

    expected = outputs(Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval())
    mapped = mapped_model.load_mapped(folder)
    mapped_model.widen_on_use(mapped)
    for found, wanted in zip(outputs(mapped), expected, strict=True):
        assert found.dtype == torch.float32
        assert torch.equal(found, wanted)
    monkeypatch.setattr(mapped_model, "_ROWS_AT_ONCE", 192 * 700)  # the head has 2560 rows
    for found, wanted in zip(outputs(mapped), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


def test_float32_adapters_on_a_bf16_base_are_not_rounded(folder: Path, tmp_path: Path) -> None:
    """PEFT gives an adapter its base's type at first: two adapters, each as on a float32 copy of the base."""
    from safetensors.torch import load_file, save_file
    from transformers import Qwen2_5_VLForConditionalGeneration

    from calibration.adapters.peft_loading import load_with_peft
    from calibration.mapped_model import load_mapped, widen_on_use

    copy = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    mapped = load_mapped(folder)
    widen_on_use(mapped)
    agents = ("recognition", "reasoning")
    for agent in agents:
        adapter = tmp_path / agent
        shutil.copytree(folder / "adapters" / agent, adapter)
        file = adapter / "adapter_model.safetensors"
        save_file({name: tensor.float() * 1.001 for name, tensor in load_file(file).items()}, file, {"format": "pt"})
        copy, mapped = (load_with_peft(model, name=agent, folder=adapter) for model in (copy, mapped))
    logits = []
    for agent in agents:
        for model in (copy, mapped):
            model.set_adapter(agent)
            with torch.no_grad():
                logits.append(model.eval()(input_ids=torch.tensor([[5, 6, 7]])).logits)
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[2], logits[3])
    assert not torch.allclose(logits[0], logits[2])


def test_weights_of_several_types_become_float32(tmp_path: Path) -> None:
    """No value is rounded to the type that happens to stand first."""
    from safetensors.torch import load_file, save_file

    from calibration.mapped_model import load_mapped

    folder = write_shape(SHAPES["reference"].with_layers(1), tmp_path / "checkpoint")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    tensors[name] = tensors[name].float() + 2.0**-20
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    weight = load_mapped(folder).model.language_model.layers[0].mlp.down_proj.weight
    assert torch.equal(weight.detach(), tensors[name])
