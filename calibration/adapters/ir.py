"""Write an adapter object: one OpenVINO IR per agent, compressed alone.

Format (version 1; read by ``edge_agent.inference.adapters``)
    ``adapter.<agent>.xml/.bin`` is an ``ov.Model``:

    - one Parameter float32[?, ?, in] per distinct linear input, named ``<parent module>.<input>``
      (``...self_attn.qkv_in`` feeds q, k and v; ``...mlp.gate_up_in`` feeds gate and up; else ``<module>.in``);
    - per target linear two MatMuls, ``<module>.lora_A`` (weight [r, in]) and ``<module>.lora_B`` (weight [out, r]),
      with alpha / r (rsLoRA: alpha / sqrt(r)) folded into B, and one Result named ``<module>``;
    - ``<module>`` is PEFT's module path without ``base_model.model.``, e.g.
      ``model.language_model.layers.0.self_attn.q_proj``; the backbone's node is ``__module.<module>/.../MatMul``;
    - runtime info ``derm_edge_adapter``: ``format``, ``name``, ``base_digest``.

    A and B carry opposite powers of two, so that both factors have like magnitudes and NNCF's f16 scales stay
    normal numbers; the product is unchanged bit for bit.

Not checked here: that the backbone has these targets (``calibration.adapters.targets`` does at the build, and
``edge_agent.inference.graft`` on the device).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from calibration.adapters.factors import Pair
from calibration.compress import canonicalise
from edge_agent.errors import CompressionError
from edge_agent.inference.adapters import FORMAT_VERSION, RT_INFO

_SHARED_INPUT = {"q_proj": "qkv_in", "k_proj": "qkv_in", "v_proj": "qkv_in"} | {
    "gate_proj": "gate_up_in",
    "up_proj": "gate_up_in",
}


def write_ir(
    pairs: Mapping[str, Pair], *, name: str, base_digest: str, out_dir: Path, precision: Literal["f32", "int8"]
) -> None:
    """Write ``adapter.<name>.xml/.bin``.

    Args:
        pairs: factors by module path.
        name: the agent.
        base_digest: content digest of the backbone that the factors fit.
        out_dir: must exist.
        precision: ``int8`` compresses each factor symmetrically per row with NNCF.

    Raises:
        CompressionError: NNCF left a factor uncompressed.
    """
    model = _adapter_model(pairs, name=name)
    if precision == "int8":
        model = _compress(model, name=name, factors=2 * len(pairs))
    for key, value in (("format", str(FORMAT_VERSION)), ("name", name), ("base_digest", base_digest)):
        model.set_rt_info(value, [RT_INFO, key])
    stem = f"adapter.{name}"
    canonicalise(model, name=stem)  # node names that count up in the process would make every build differ
    ov.save_model(model, out_dir / f"{stem}.xml", compress_to_fp16=False)


def _adapter_model(pairs: Mapping[str, Pair], *, name: str) -> ov.Model:
    """Build the ov.Model that the module docstring describes."""
    inputs: dict[str, ov.Node] = {}
    results = []
    for path, pair in pairs.items():
        parent, leaf = path.rsplit(".", 1)
        source = f"{parent}.{_SHARED_INPUT[leaf]}" if leaf in _SHARED_INPUT else f"{path}.in"
        if source not in inputs:
            inputs[source] = ops.parameter([-1, -1, pair.a.shape[1]], np.float32, name=source)
        a = ops.matmul(inputs[source], ops.constant(pair.a), False, True)
        b = ops.matmul(a, ops.constant(pair.b), False, True)
        a.set_friendly_name(f"{path}.lora_A")
        b.set_friendly_name(f"{path}.lora_B")
        result = ops.result(b)
        result.set_friendly_name(path)
        results.append(result)
    return ov.Model(results, list(inputs.values()), f"adapter.{name}")


def _compress(model: ov.Model, *, name: str, factors: int) -> ov.Model:
    """Compress every factor to symmetric INT8 per row and count what NNCF really did."""
    import nncf

    compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    found = sum(op.get_type_name() == "Constant" and op.get_element_type() == ov.Type.i8 for op in compressed.get_ops())
    if found != factors:
        raise CompressionError(f"NNCF compressed {found} of {factors} factors of the {name} adapter")
    return compressed
