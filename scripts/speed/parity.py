"""Check that the contenders compute the same function before anybody compares their seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AGENTS, Activation, AgentName
from edge_agent.inference.adapters import Adapter, read_adapter
from edge_agent.inference.graft import gather_before_head
from edge_agent.inference.graph import module_path, unconverted
from edge_agent.inference.language import LanguageModel
from edge_agent.inference.loading import load
from edge_agent.inference.runtime import EngineSettings, Runtime
from edge_agent.inference.sequence import Gate
from edge_agent.inference.text_embeddings import load_text_embeddings
from scripts.speed.contenders import Parts
from scripts.speed.decode import text_under
from scripts.speed.interleave import Process, Tell
from scripts.speed.workload import load_workload

MAX_LOGIT_DIFFERENCE = 1e-3
_PROMPT = 48


@dataclass(frozen=True, slots=True)
class SameTokens:
    """How many greedy answers on the same bare files, in strict f32, are token for token the peer's."""

    equal: int
    total: int


def same_tokens(parts: Parts, *, tell: Tell) -> SameTokens:
    """Let both write one case without adapters; a chat's second turn is left out, since GenAI reads its own answer anew.

    Raises:
        RuntimeError: a contender ended.
    """
    answers: list[list[list[int]]] = []
    for name in ("ours-bare", "genai-bare"):
        tell(f"parity: {name}")
        with Process(name, parts, is_strict=True) as process:
            process.ask({"do": "load"})
            answers.append(process.ask({"do": "run", "workload": "paper", "size": {}, "case": 0})["answers"])
    workload = load_workload()
    kept = [
        turn.pictures != "before"
        for turn in workload.turns
        for _ in range(workload.views if turn.pictures == "each" else 1)
    ]
    pairs = [pair for pair, is_kept in zip(zip(*answers, strict=True), kept, strict=True) if is_kept]
    return SameTokens(sum(ours == theirs for ours, theirs in pairs), len(pairs))


def logit_difference(bundle: Bundle, *, tell: Tell) -> float:
    """Return the largest difference between grafted and merged FP32 logits, over three adapters and all positions.

    Merged: each adapter's B x A is added to the backbone's own weights with numpy, and the plain graph runs.
    """
    settings = EngineSettings(strict=True)
    ids = np.random.default_rng(3).integers(0, bundle.manifest.backbone.vocab_size // 2, _PROMPT).tolist()
    worst = 0.0
    for agent in AGENTS:
        tell(f"parity: {agent} grafted and merged")
        grafted = load(bundle, settings=settings, adapters=True)
        gate = replace(grafted.gates[agent], activation=Activation(kind="always"))
        found = grafted.language.advance([text_under(ids, gate)], last=_PROMPT)
        del grafted
        plain = _merged(bundle, agent, settings)
        expected = plain.advance([text_under(ids, Gate(0, None, Activation(kind="always")))], last=_PROMPT)
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def _merged(bundle: Bundle, agent: AgentName, settings: EngineSettings) -> LanguageModel:
    """Return the backbone with one adapter added to its weights."""
    runtime, backbone = Runtime(settings), bundle.manifest.backbone
    model = runtime.read(bundle.path_of("language_model.xml"))
    spec = next(one for one in bundle.manifest.adapters if one.name == agent)
    adapter = read_adapter(runtime.read(bundle.path_of(f"adapter.{agent}.xml")), spec=spec, backbone=backbone)
    _add(model, adapter)
    gather_before_head(model)
    return LanguageModel(
        runtime.request(model),
        embeddings=load_text_embeddings(
            bundle.path_of("text_embeddings.xml"), runtime=runtime, hidden_size=backbone.hidden_size
        ),
        hidden_size=backbone.hidden_size,
        reuse_prefix=False,
        prefill_chunk=None,
    )


def _add(model: ov.Model, adapter: Adapter) -> None:
    """Replace every target's weight W [out, in] by W + B A."""
    for node in model.get_ordered_ops():
        path = module_path(node)
        if node.get_type_name() != "MatMul" or path not in adapter.branches:
            continue
        branch = adapter.branches[path]
        weight = np.array(unconverted(node.input_value(1).get_node()).get_data(), dtype=np.float32)
        total = weight + branch.b.dequantised() @ branch.a.dequantised()
        node.input(1).replace_source_output(ops.constant(total.astype(np.float32)).output(0))
