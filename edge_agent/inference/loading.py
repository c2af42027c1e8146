"""Load a verified bundle: models, adapters, tokenizer and grammars, each held against the manifest.

The signature and every file's digest were checked by ``edge_agent.contracts.bundle`` before.
"""

from __future__ import annotations

from dataclasses import dataclass

import openvino as ov

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import Activation, AgentName, AgentSpec, Manifest
from edge_agent.errors import Incompatible, RejectedError
from edge_agent.inference.adapters import Adapter, read_adapter
from edge_agent.inference.graft import gather_before_head, graft, rows_before_head
from edge_agent.inference.grammar import SchemaGrammar
from edge_agent.inference.language import LanguageModel
from edge_agent.inference.runtime import EngineSettings, Runtime, translated
from edge_agent.inference.sequence import Gate
from edge_agent.inference.side_branch import SideBranch, load_side_branch
from edge_agent.inference.tokenizer import Tokenizer
from edge_agent.inference.vision import VisionTower

Grammars = dict[tuple[AgentName, str], SchemaGrammar]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that the engine runs. ``gates`` by adapter name; None is the bare backbone.

    ``side_branch`` is None where the bundle has none, or where it was switched off.
    """

    tokenizer: Tokenizer
    vision: VisionTower
    language: LanguageModel
    gates: dict[AgentName | None, Gate]
    grammars: Grammars
    side_branch: SideBranch | None = None


def load(bundle: Bundle, *, settings: EngineSettings, adapters: bool, side_branch: bool = True) -> Loaded:
    """Read, graft and compile everything.

    Args:
        bundle: as verified.
        settings: device and switches.
        adapters: False loads the bare backbone without a gate.
        side_branch: False leaves a declared side branch out (evaluation only).

    Raises:
        Incompatible: an adapter does not belong to this backbone, or a model has another shape than declared.
        RejectedError: a file or schema does not fit the manifest.
        InferenceError: the device cannot compile a model.
    """
    manifest, runtime = bundle.manifest, Runtime(settings)
    tokenizer = Tokenizer(bundle.path_of("tokenizer"), backbone=manifest.backbone)
    grammars = _compile_grammars(manifest, tokenizer=tokenizer)
    for agent, spec in manifest.agents.items():
        _check_prompts(spec, manifest=manifest, agent=agent, tokenizer=tokenizer)
    installed = _read_adapters(bundle, runtime=runtime) if adapters else []
    branch = load_side_branch(bundle, runtime=runtime) if side_branch else None
    model = _language_model(bundle, runtime=runtime, adapters=installed, has_branch=branch is not None)
    language = LanguageModel(
        runtime.request(model),
        embeddings=runtime.request(bundle.path_of("text_embeddings.xml")),
        hidden_size=manifest.backbone.hidden_size,
        has_gate=bool(installed),
        reuse_prefix=settings.reuse_prefix,
        has_head_rows=branch is not None,
    )
    vision = VisionTower(
        runtime.request(bundle.path_of("vision_embeddings.xml")),
        merger=runtime.request(bundle.path_of("vision_merger.xml")),
        vision=manifest.backbone.vision,
        preprocessing=manifest.preprocessing,
        side_branch=branch,
    )
    return Loaded(tokenizer, vision, language, _gates(manifest, installed), grammars, branch)


def _read_adapters(bundle: Bundle, *, runtime: Runtime) -> list[Adapter]:
    """Read every declared adapter, in the manifest's order: the order of the gate's columns."""
    backbone = bundle.manifest.backbone
    out = []
    for spec in bundle.manifest.adapters:
        model = runtime.read(bundle.path_of(f"adapter.{spec.name}.xml"))
        out.append(read_adapter(model, spec=spec, backbone=backbone))
    return out


def _language_model(bundle: Bundle, *, runtime: Runtime, adapters: list[Adapter], has_branch: bool) -> ov.Model:
    """Read the language model, compare its shape with the manifest and graft."""
    backbone = bundle.manifest.backbone
    model = runtime.read(bundle.path_of("language_model.xml"))
    with translated("the language model lacks inputs_embeds or logits; export it again", error=Incompatible):
        found = [p.get_partial_shape()[-1].to_string() for p in (model.input("inputs_embeds"), model.output("logits"))]
    if found != [str(backbone.hidden_size), str(backbone.vocab_size)]:
        raise Incompatible(
            f"the language model has hidden size and vocabulary {found}, declared are "
            f"{backbone.hidden_size} and {backbone.vocab_size}; rebuild the bundle"
        )
    with translated("the adapters cannot be grafted", error=Incompatible):
        graft(model, adapters)
        gather_before_head(model)
        if has_branch:
            rows_before_head(model)
    return model


def _gates(manifest: Manifest, installed: list[Adapter]) -> dict[AgentName | None, Gate]:
    """Return a gate per adapter; without installed adapters every agent runs on the bare backbone."""
    width, columns = len(installed), {adapter.name: i for i, adapter in enumerate(installed)}
    bare = Gate(width, None, Activation(kind="always"))
    gates: dict[AgentName | None, Gate] = {None: bare}
    for spec in manifest.adapters:
        column = columns.get(spec.name)
        gates[spec.name] = bare if column is None else Gate(width, column, spec.activation)
    return gates


def _compile_grammars(manifest: Manifest, *, tokenizer: Tokenizer) -> Grammars:
    """Compile every schema step and check that its decided fields can be decided."""
    grammars: Grammars = {}
    for agent, spec in manifest.agents.items():
        for step in spec.steps:
            if step.contract != "schema":
                continue
            where = f"{agent}.{step.name}"
            if step.output_schema is None:
                raise RejectedError(f"{where} declares a schema contract without a schema; rebuild the bundle")
            grammar = SchemaGrammar(step.output_schema, tokenizer=tokenizer, where=where)
            grammar.check(list(step.decided_fields))
            grammars[agent, step.name] = grammar
    return grammars


def _check_prompts(spec: AgentSpec, *, manifest: Manifest, agent: AgentName, tokenizer: Tokenizer) -> None:
    """Check the rendered prompt's token ids, and that an activated adapter's invocation stands in the prompt."""
    tokenizer.check_rendered(spec.rendered_prompt, agent=agent)
    declared = {adapter.name: adapter for adapter in manifest.adapters}
    if spec.adapter is None:
        return
    if spec.adapter not in declared:
        raise RejectedError(f"{agent} wants the adapter {spec.adapter}, which the bundle does not have")
    activation = declared[spec.adapter].activation
    if activation.kind == "invocation":
        invocation = tokenizer.decode(activation.invocation_token_ids).decode("utf-8", errors="replace")
        if not invocation or invocation not in spec.steps[0].prompt:
            raise RejectedError(f"the {agent} prompt lacks its adapter's invocation {invocation!r}; rebuild the bundle")
