"""Build a bundle: export, compress, adapters, canary and golden cases, package, gates. Any failure leaves nothing behind.

Does not train, does not choose thresholds, does not sign unless a key is given.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from calibration import canary, golden, package
from calibration.adapters.base import BaseShape
from calibration.adapters.importing import import_adapter, write_adapter
from calibration.adapters.record import ImportRecord
from calibration.backbone import BackboneSource, build_backbone
from calibration.build_inputs import BuildInputs, read_inputs
from calibration.census import count_constants
from calibration.declaration import BundleDeclaration, agent_specs
from calibration.export import quiet_vendors
from calibration.gates import check_gates
from calibration.memory import release_memory
from calibration.recipe import Recipe
from calibration.side_branch.building import write_branch
from calibration.sign import sign_bundle
from calibration.torch_reference import TorchReference
from calibration.trust.write import write_trust_files
from edge_agent.contracts.dsse import load_private_key
from edge_agent.contracts.golden import GoldenSet
from edge_agent.contracts.manifest import (
    AdapterSpec,
    AgentName,
    Canary,
    CanaryBounds,
    CensusRow,
    Golden,
    Manifest,
)
from edge_agent.contracts.side_branch import SideBranchSpec
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ExportError

_TOOLS = ("openvino", "nncf", "optimum-intel", "transformers", "torch", "peft")
Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build from what.

    Attributes:
        base: checkpoint in Hugging Face layout with ``derm_edge.json``, ``golden/``, README.md, metrics.json.
        adapters: PEFT folders by agent; exactly those that the declaration names.
        recipe: what happens to the weights.
        out: the bundle's folder.
        private_key: PEM to sign with; None leaves an unsigned bundle that no device loads.
        replace: ``out`` may be an older bundle.
        cases: calibration cases, as ``golden/``; None takes ``calibration/`` or ``golden/`` of the base.
        later: PEFT folders by agent that the compression shall not see; their error is told beside the others'.
        exported: the exported parts of this checkpoint, if a sweep has them already; None exports them.
    """

    base: Path
    adapters: Mapping[AgentName, Path]
    recipe: Recipe
    out: Path
    private_key: Path | None = None
    replace: bool = False
    cases: Path | None = None
    later: Mapping[AgentName, Path] = field(default_factory=dict)
    exported: Path | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """The models in the bundle's folder; ``seen`` is what the compression measured on calibration cases."""

    adapters: list[AdapterSpec]
    side_branch: SideBranchSpec | None
    census: list[CensusRow]
    recipe: dict[str, Any]
    seen: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Expected:
    """What PyTorch + PEFT say, for the device to repeat."""

    bounds: CanaryBounds
    golden: GoldenSet


def build(request: BuildRequest, *, announce: Announce) -> Manifest:
    """Build one bundle and return its manifest.

    Args:
        request: what to build.
        announce: called with one line before every step that takes more than a moment.

    Raises:
        ConfigError: the signing key cannot be used.
        ExportError: the checkpoint, an adapter or the declaration cannot be used, a licence is missing, or memory or
            disk would not last.
        CompressionError: a weight is not what the recipe declares.
        QualityGateError: the finished bundle does not decide as PyTorch + PEFT do.
    """
    if request.private_key is not None:
        load_private_key(request.private_key)  # a wrong key is found now, not after the work
    inputs = read_inputs(
        request.base,
        adapters=request.adapters,
        recipe=request.recipe,
        out=request.out,
        cases=request.cases,
        later=request.later,
    )
    with package.staged(request.out, replace=request.replace) as folder:
        _copy_texts(request, folder)
        parts = _write_parts(request, inputs, folder, announce=announce)
        announce("expected values from PyTorch + PEFT")
        expected = _write_expected(request, inputs, folder)
        release_memory()
        manifest = _manifest(folder, inputs=inputs, parts=parts, expected=expected, recipe=request.recipe)
        package.write_unsigned(folder, manifest)
        announce("gates: the device's engine against PyTorch + PEFT")
        announce(check_gates(folder, manifest=manifest, recipe=request.recipe))
        if request.private_key is not None:
            sign_bundle(folder, private_key=request.private_key)
    return manifest


def _write_parts(request: BuildRequest, inputs: BuildInputs, folder: Path, *, announce: Announce) -> _Parts:
    """Write adapters, papers, side branch and backbone, the cheap and fallible ones first."""
    checkpoint, recipe = inputs.checkpoint, request.recipe
    digest = checkpoint.backbone.content_digest
    announce("adapters")  # before the export: what a file lacks is found in a moment, not after the work
    adapters, imports = _build_adapters(request, folder, inputs.shape, digest)
    _check_activations(adapters, checkpoint.declaration, checkpoint.tokenizer)
    document = _recipe_document(recipe, imports, has_coder=checkpoint.declaration.coder is not None)
    (folder / "recipe.json").write_bytes(package.dump_json(document))
    write_trust_files(
        folder,
        source=request.base,
        declaration=checkpoint.declaration,
        content_digest=digest,
        recipe=document,
    )
    branch, rows = write_branch(
        inputs.side_branch, base_digest=digest, precision=recipe.adapters.precision, folder=folder
    )
    origin = BackboneSource(
        checkpoint,
        inputs.shape,
        request.adapters,
        request.later,
        inputs.cases,
        side_branch=branch,
        exported=request.exported,
    )
    census, seen = build_backbone(origin, folder, recipe=recipe, built=adapters, announce=announce)
    return _Parts(adapters, branch, census + _count_adapters(folder, adapters) + rows, document, seen)


def _write_expected(request: BuildRequest, inputs: BuildInputs, folder: Path) -> _Expected:
    """Ask PyTorch + PEFT; their weights are gone again when this returns, so that they never lie beside the engine's."""
    checkpoint = inputs.checkpoint
    reference = TorchReference(
        request.base,
        adapters=request.adapters,
        backbone=checkpoint.backbone,
        preprocessing=checkpoint.preprocessing,
        side_branch=None if inputs.side_branch is None else inputs.side_branch.torch(),
    )
    bounds = _write_canary(reference, checkpoint.declaration, folder=folder, recipe=request.recipe)
    expected = golden.expect(inputs.golden, declaration=checkpoint.declaration, reference=reference)
    golden.write_golden(expected, folder / "golden.zip")
    return _Expected(bounds, expected)


def _copy_texts(request: BuildRequest, folder: Path) -> None:
    card = request.base / "README.md"
    if not card.is_file():
        raise ExportError(f"{request.base} has no README.md; a bundle carries its model card")
    shutil.copyfile(card, folder / "MODEL_CARD.md")
    shutil.copyfile(request.base / "tokenizer.json", folder / "tokenizer.json")


def _recipe_document(recipe: Recipe, imports: Sequence[ImportRecord], *, has_coder: bool) -> dict[str, Any]:
    """Return ``recipe.json``; bounds of a second turn stand in it only where there is one to judge."""
    skipped = set() if has_coder else {"coder_max_wrong", "coder_max_filled", "coder_min_right"}
    # The local part of a version ("+cpu") says how a wheel was made, not what it computes.
    tools = {name: metadata.version(name).split("+")[0] for name in _TOOLS}
    records = [record.as_document() for record in imports]
    told = recipe.model_dump(mode="json", exclude={"gates": skipped})
    return {**told, "tools": tools, "imports": records}


def _build_adapters(
    request: BuildRequest, folder: Path, shape: BaseShape, base_digest: str
) -> tuple[list[AdapterSpec], list[ImportRecord]]:
    specs: list[AdapterSpec] = []
    records: list[ImportRecord] = []
    with quiet_vendors():
        for name, source in sorted(request.adapters.items()):
            adapter = import_adapter(source, name=name, base=shape, base_digest=base_digest)
            specs.append(write_adapter(adapter, out_dir=folder, precision=request.recipe.adapters.precision))
            records.append(adapter.record)
    return specs, records


def _count_adapters(folder: Path, adapters: list[AdapterSpec]) -> list[CensusRow]:
    """Count what the saved adapters hold; ``write_adapter`` has checked every factor against the recipe."""
    import openvino as ov

    core = ov.Core()
    parts = {f"adapter.{one.name}": folder / f"adapter.{one.name}.xml" for one in adapters}
    return [row for part, path in parts.items() for row in count_constants(core.read_model(path), part=part)]


def _check_activations(adapters: list[AdapterSpec], declaration: BundleDeclaration, tokenizer: Tokenizer) -> None:
    for name, agent in declaration.agents.items():
        for adapter in (one for one in adapters if one.name == agent.adapter):
            wanted = list(tokenizer.encode(agent.invocation or "", add_special_tokens=False).ids)
            if adapter.activation.invocation_token_ids != wanted:
                raise ExportError(
                    f"agent {name} declares the invocation {agent.invocation!r} = {wanted}, its adapter was trained "
                    f"with {adapter.activation.invocation_token_ids}; mend derm_edge.json"
                )


def _write_canary(
    reference: TorchReference, declaration: BundleDeclaration, *, folder: Path, recipe: Recipe
) -> CanaryBounds:
    arrays = canary.make_canary(reference, declaration)
    canary.write_canary(arrays, folder / "canary.npz")
    return CanaryBounds(
        strict_max_abs=round(recipe.gates.canary_max_of_range * canary.logit_range(arrays), 4),
        strict_min_argmax=recipe.gates.canary_min_argmax,
    )


def _manifest(folder: Path, *, inputs: BuildInputs, parts: _Parts, expected: _Expected, recipe: Recipe) -> Manifest:
    checkpoint, vocabulary = inputs.checkpoint, Vocabulary.load()
    declaration = checkpoint.declaration
    manifest = Manifest(
        schema_version=1,
        name=declaration.name,
        version=declaration.version,
        lineage=declaration.lineage,
        clinical_use=declaration.clinical_use,
        notice=declaration.notice,
        licences=declaration.licences,
        files=package.file_entries(folder),
        backbone=checkpoint.backbone,
        preprocessing=checkpoint.preprocessing,
        adapters=parts.adapters,
        side_branch=parts.side_branch,
        agents=agent_specs(declaration, checkpoint.tokenizer),
        vocabulary_version=vocabulary.version,
        vocabulary_sha256=vocabulary.sha256,
        languages=declaration.languages,
        thresholds=declaration.thresholds,
        evidence=declaration.evidence,
        calibration=declaration.calibration,
        coder=declaration.coder,
        canary=Canary(file="canary.npz", bounds=expected.bounds),
        golden=Golden(
            file="golden.zip", count=len(expected.golden.cases), min_agreement=recipe.gates.golden_min_agreement
        ),
        recipe=parts.recipe,
        census=parts.census,
        metrics=inputs.metrics | parts.seen,
    )
    vocabulary.check_manifest(manifest)
    return manifest
