"""Load a verified bundle: models, adapters, tokenizer and grammars, each held against the manifest.

The signature and every file's digest were checked by ``edge_agent.contracts.bundle`` before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import Activation, AgentName, AgentSpec, Manifest
from edge_agent.errors import Incompatible, RejectedError
from edge_agent.inference.adapters import Adapter, read_adapter
from edge_agent.inference.graft import gather_before_head, graft, rows_before_head
from edge_agent.inference.grammar import SchemaGrammar
from edge_agent.inference.language import LanguageModel
from edge_agent.inference.memory import available_bytes
from edge_agent.inference.runtime import EngineSettings, Runtime, translated
from edge_agent.inference.sequence import Gate, Sequence
from edge_agent.inference.side_branch import SideBranch, load_side_branch
from edge_agent.inference.stacking import stack_projections
from edge_agent.inference.text_embeddings import load_text_embeddings
from edge_agent.inference.tokenizer import Tokenizer
from edge_agent.inference.vision import VisionModels, VisionTower
from edge_agent.inference.windows import split_windows

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
    runtime: Runtime
    side_branch: SideBranch | None = None

    def forget(self) -> None:
        """Drop every cached conversation, and what memory nothing needs until the next case.

        Raises:
            InferenceError: the runtime failed.
        """
        self.language.reset()
        self.vision.rest()
        self.runtime.settle()


def load(
    bundle: Bundle,
    *,
    settings: EngineSettings,
    adapters: bool,
    side_branch: bool = True,
    meminfo: Path = Path("/proc/meminfo"),
) -> Loaded:
    """Read, graft and compile everything.

    Args:
        bundle: as verified.
        settings: device and switches.
        adapters: False loads the bare backbone without a gate.
        side_branch: False leaves a declared side branch out (evaluation only).
        meminfo: where the system says how much memory is available.

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
    gates = _gates(manifest, installed)
    model = _language_model(bundle, runtime=runtime, adapters=installed, has_branch=branch is not None)
    del installed  # the graft has its own copy
    language = _compiled_language(bundle, model, runtime=runtime, width=gates[None].width)
    del model
    vision = _vision_tower(bundle, runtime=runtime, branch=branch, meminfo=meminfo)
    return Loaded(tokenizer, vision, language, gates, grammars, runtime, branch)


def _compiled_language(bundle: Bundle, model: ov.Model, *, runtime: Runtime, width: int) -> LanguageModel:
    """Compile the grafted language model and let it pack its weights; ``width`` is its number of adapters."""
    backbone, settings = bundle.manifest.backbone, runtime.settings
    language = LanguageModel(
        runtime.request(model),
        embeddings=load_text_embeddings(
            bundle.path_of("text_embeddings.xml"), runtime=runtime, hidden_size=backbone.hidden_size
        ),
        hidden_size=backbone.hidden_size,
        reuse_prefix=settings.reuse_prefix,
        prefill_chunk=settings.prefill_chunk,
    )
    shortest = Sequence.empty(width).with_tokens([backbone.pad_token_id])
    runtime.settle(first_run=lambda: language.warm_up(shortest))
    return language


def _vision_tower(bundle: Bundle, *, runtime: Runtime, branch: SideBranch | None, meminfo: Path) -> VisionTower:
    """Compile the vision tower, and say when it may be dropped."""
    manifest, settings = bundle.manifest, runtime.settings

    def is_dropped() -> bool:
        limit, available = settings.release_vision_below_bytes, available_bytes(meminfo)
        return settings.release_vision or (limit is not None and available is not None and available < limit)

    return VisionTower(
        lambda: _vision_models(bundle, runtime=runtime),
        vision=manifest.backbone.vision,
        preprocessing=manifest.preprocessing,
        settle=lambda run: runtime.settle(first_run=run),
        is_dropped=is_dropped,
        side_branch=branch,
    )


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
        stacks = stack_projections(model) if runtime.settings.stack_projections else {}
        graft(model, adapters, share_a=runtime.settings.share_a, stacks=stacks)
        if runtime.settings.gather_head:
            gather_before_head(model)
        if has_branch:
            rows_before_head(model)
    return model


def _vision_models(bundle: Bundle, *, runtime: Runtime) -> VisionModels:
    """Read the vision tower, split its windows where wanted and known, and compile it in its own arithmetic."""
    own = runtime.settings.of_vision()
    merger = runtime.read(bundle.path_of("vision_merger.xml"))
    with translated("the vision tower's windows cannot be split", error=Incompatible):
        has_split = runtime.settings.split_windows and split_windows(merger, vision=bundle.manifest.backbone.vision)
    embeddings = runtime.request(bundle.path_of("vision_embeddings.xml"), settings=own)
    return VisionModels(embeddings, runtime.request(merger, settings=own), has_split)


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
