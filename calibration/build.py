"""Build a bundle: export, compress, adapters, canary and golden cases, package, gates. Any failure leaves nothing behind.

Does not train, does not choose thresholds, does not sign unless a key is given.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from calibration import canary, golden, package
from calibration.adapters import build_adapter
from calibration.census import count_constants
from calibration.compress import compress_part
from calibration.declaration import (
    BundleDeclaration,
    agent_specs,
    check_answers,
    load_declaration,
)
from calibration.export import export_parts, quiet_vendors, read_backbone, read_json, read_preprocessing
from calibration.gates import check_gates
from calibration.recipe import Recipe
from calibration.sign import sign_bundle
from calibration.torch_reference import TorchReference
from edge_agent.contracts.dsse import load_private_key
from edge_agent.contracts.golden import GoldenSet
from edge_agent.contracts.manifest import (
    AdapterSpec,
    AgentName,
    Backbone,
    Canary,
    CanaryBounds,
    CensusRow,
    Golden,
    Manifest,
    PreprocessingSpec,
)
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ExportError

BASE_DIGEST_NAME = "base.sha256"
AGENT_NAME = "agent.txt"
METRICS_NAME = "metrics.json"
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
    """

    base: Path
    adapters: Mapping[AgentName, Path]
    recipe: Recipe
    out: Path
    private_key: Path | None = None
    replace: bool = False


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the single steps made, until it becomes a manifest."""

    declaration: BundleDeclaration
    backbone: Backbone
    preprocessing: PreprocessingSpec
    tokenizer: Tokenizer
    census: list[CensusRow]
    adapters: list[AdapterSpec]
    bounds: CanaryBounds
    golden: GoldenSet


def build(request: BuildRequest, *, announce: Announce) -> Manifest:
    """Build one bundle and return its manifest.

    Args:
        request: what to build.
        announce: called with one line before every step that takes more than a moment.

    Raises:
        ConfigError: the signing key cannot be used.
        ExportError: the checkpoint, an adapter or the declaration cannot be used, or the disk is full.
        CompressionError: a weight is not what the recipe declares.
        QualityGateError: the finished bundle does not decide as PyTorch + PEFT do.
    """
    if request.private_key is not None:
        load_private_key(request.private_key)  # a wrong key is found now, not after the work
    declaration = load_declaration(request.base)
    backbone = read_backbone(request.base)
    preprocessing = read_preprocessing(request.base, max_pixels=declaration.max_pixels)
    tokenizer = _read_tokenizer(request.base, declaration)
    source = golden.load_golden_source(request.base / "golden")
    _check_adapters(request, declaration, backbone)
    metrics = _read_metrics(request.base)
    with package.staged(request.out, replace=request.replace) as folder:
        _copy_texts(request, folder)
        census = _compress_all(request, folder, announce)
        announce("adapters")
        adapters = _build_adapters(request, folder, declaration, backbone)
        census += _count_adapters(folder, adapters)
        _check_activations(adapters, declaration, tokenizer)
        announce("expected values from PyTorch + PEFT")
        reference = TorchReference(
            request.base, adapters=request.adapters, backbone=backbone, preprocessing=preprocessing
        )
        bounds = _write_canary(reference, declaration, folder=folder, recipe=request.recipe)
        expected = golden.expect(source, declaration=declaration, reference=reference)
        golden.write_golden(expected, folder / "golden.zip")
        del reference  # PyTorch's weights are not needed beside the engine's
        parts = _Parts(declaration, backbone, preprocessing, tokenizer, census, adapters, bounds, expected)
        manifest = _manifest(folder, parts=parts, recipe=request.recipe, metrics=metrics)
        package.write_unsigned(folder, manifest)
        announce("gates: the device's engine against PyTorch + PEFT")
        announce(check_gates(folder, manifest=manifest, recipe=request.recipe))
        if request.private_key is not None:
            sign_bundle(folder, private_key=request.private_key)
    return manifest


def _read_tokenizer(base: Path, declaration: BundleDeclaration) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    except Exception as exc:
        raise ExportError(f"{base / 'tokenizer.json'} cannot be read: {' '.join(str(exc).split())[:160]}") from exc
    check_answers(declaration, tokenizer)
    return tokenizer


def _check_adapters(request: BuildRequest, declaration: BundleDeclaration, backbone: Backbone) -> None:
    declared = {agent.adapter for agent in declaration.agents.values() if agent.adapter is not None}
    for name in sorted(declared - set(request.adapters)):
        raise ExportError(f"the declaration needs the adapter {name}; add --adapter {name}=DIR")
    for name in sorted(set(request.adapters) - declared):
        raise ExportError(f"no agent uses the adapter {name}; remove it")
    for name, folder in request.adapters.items():
        label = folder / AGENT_NAME
        if label.is_file() and (found := label.read_text(encoding="utf-8").strip()) != name:
            raise ExportError(f"{folder} was trained as the adapter {found[:64]}, not {name}; give the right folder")
        note = folder / BASE_DIGEST_NAME
        if note.is_file() and note.read_text(encoding="utf-8").strip() != backbone.content_digest:
            raise ExportError(
                f"adapter {name} was trained on another backbone than {request.base}; train it on this one"
            )


def _read_metrics(base: Path) -> dict[str, Any]:
    path = base / METRICS_NAME
    return read_json(path) if path.is_file() else {}


def _copy_texts(request: BuildRequest, folder: Path) -> None:
    card = request.base / "README.md"
    if not card.is_file():
        raise ExportError(f"{request.base} has no README.md; a bundle carries its model card")
    shutil.copyfile(card, folder / "MODEL_CARD.md")
    shutil.copyfile(request.base / "tokenizer.json", folder / "tokenizer.json")
    (folder / "recipe.json").write_bytes(package.dump_json(_recipe_document(request.recipe)))


def _recipe_document(recipe: Recipe) -> dict[str, Any]:
    # The local part of a version ("+cpu") says how a wheel was made, not what it computes.
    tools = {name: metadata.version(name).split("+")[0] for name in _TOOLS}
    return {**recipe.model_dump(mode="json"), "tools": tools}


def _compress_all(request: BuildRequest, folder: Path, announce: Announce) -> list[CensusRow]:
    rows: list[CensusRow] = []
    with tempfile.TemporaryDirectory(prefix="derm-export-", dir=folder.parent) as temporary:
        announce(f"export {request.base.name} to OpenVINO")
        sources = export_parts(request.base, Path(temporary))
        for part, source in sources.items():
            announce(f"compress {part} ({request.recipe.name})")
            rows += compress_part(part, source, folder / f"{part}.xml", recipe=request.recipe)
    return rows


def _build_adapters(
    request: BuildRequest, folder: Path, declaration: BundleDeclaration, backbone: Backbone
) -> list[AdapterSpec]:
    names = [agent.adapter for agent in declaration.agents.values() if agent.adapter is not None]
    with quiet_vendors():
        return [
            build_adapter(
                request.adapters[name],
                name=name,
                base_digest=backbone.content_digest,
                out_dir=folder,
                precision=request.recipe.adapters.precision,
            )
            for name in sorted(set(names))
        ]


def _count_adapters(folder: Path, adapters: list[AdapterSpec]) -> list[CensusRow]:
    """Count what the saved adapters hold; ``build_adapter`` has checked every factor against the recipe."""
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


def _manifest(folder: Path, *, parts: _Parts, recipe: Recipe, metrics: Mapping[str, Any]) -> Manifest:
    declaration = parts.declaration
    vocabulary = Vocabulary.load()
    if declaration.vocabulary_version != vocabulary.version:
        raise ExportError(
            f"the adapters were tuned on vocabulary {declaration.vocabulary_version}, this program has {vocabulary.version}"
        )
    manifest = Manifest(
        schema_version=1,
        name=declaration.name,
        version=declaration.version,
        lineage=declaration.lineage,
        clinical_use=declaration.clinical_use,
        notice=declaration.notice,
        licences=declaration.licences,
        files=package.file_entries(folder),
        backbone=parts.backbone,
        preprocessing=parts.preprocessing,
        adapters=parts.adapters,
        agents=agent_specs(declaration, parts.tokenizer),
        vocabulary_version=vocabulary.version,
        vocabulary_sha256=vocabulary.sha256,
        languages=declaration.languages,
        thresholds=declaration.thresholds,
        evidence=declaration.evidence,
        calibration=declaration.calibration,
        canary=Canary(file="canary.npz", bounds=parts.bounds),
        golden=Golden(
            file="golden.zip", count=len(parts.golden.cases), min_agreement=recipe.gates.golden_min_agreement
        ),
        recipe=_recipe_document(recipe),
        census=parts.census,
        metrics=dict(metrics),
    )
    vocabulary.check_manifest(manifest)
    return manifest
