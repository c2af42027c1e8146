"""Inspect a checkpoint: everything that can be known before a weight is loaded, and every fault in one line each.

A pure function of the folder (and of the workstation that it is given): nothing is written, torch is never imported.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calibration.adapters.base import BaseShape, read_base_shape
from calibration.adapters.headers import check_headers
from calibration.checkpoint.adapter_folders import AdapterFolder, read_adapter_folder
from calibration.checkpoint.architecture import (
    Architecture,
    count_parts,
    part_of,
    published_name,
    read_architecture,
    tensor_faults,
)
from calibration.checkpoint.estimates import RecipeEstimate, Subject, estimate_recipe
from calibration.checkpoint.expected_work import Rates, read_expected_work
from calibration.checkpoint.factors import Factors, load_factors
from calibration.checkpoint.layout import Weights, is_pointer, pointer_faults, read_weights
from calibration.checkpoint.licences import DECLARATION_NAME, LicenceFacts, read_licences
from calibration.checkpoint.tokens import (
    FAST_PROCESSOR,
    PROCESSOR,
    PreprocessorFacts,
    TokenizerFacts,
    read_preprocessor,
    read_tokenizer,
)
from calibration.checkpoint.workstation import Workstation
from calibration.declaration import load_declaration
from calibration.export import content_digest, read_json
from calibration.golden import load_golden_source
from calibration.recipe import Recipe
from device_profiles.profile import Profile
from edge_agent.errors import ExportError

_CHUNK_BYTES = 1 << 22
# file, bytes done of all files, bytes of all files
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of the folder; ``sha256`` None: it was not asked for."""

    name: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a folder in Hugging Face layout holds.

    ``parameters`` by part, tied weights once; ``dtypes`` is tensors by type; ``content_digest`` (None: not asked for, or
    the weights are faulty) binds adapters to the weights; ``faults`` are lines that end a build, ``notes`` are not.
    """

    folder: str
    architecture: Architecture
    parameters: Mapping[str, int]
    dtypes: Mapping[str, int]
    shards: tuple[str, ...]
    weights_bytes: int
    newer_names: bool
    content_digest: str | None
    files: tuple[FileFacts, ...]
    tokenizer: TokenizerFacts | None
    preprocessor: PreprocessorFacts | None
    licences: LicenceFacts
    adapters: tuple[AdapterFolder, ...]
    estimates: tuple[RecipeEstimate, ...]
    workstation: Workstation
    notes: tuple[str, ...]
    faults: tuple[str, ...]

    def as_report(self) -> dict[str, Any]:
        """Return everything as plain JSON values, for ``--json`` and for reports."""
        return asdict(self)

    def require(self) -> None:
        """Refuse a checkpoint with faults.

        Raises:
            ExportError: the first fault, and how many there are.
        """
        if self.faults:
            more = len(self.faults) - 1
            rest = f" (and {more} more: derm-calibrate inspect {self.folder})" if more else ""
            raise ExportError(f"{self.faults[0]}{rest}", faults=list(self.faults))


@dataclass(frozen=True, slots=True)
class InspectionRequest:
    """What to look at and what to estimate.

    ``is_hashed``: read every byte once more for sha256 and content digest; a build need not, it does so itself.
    """

    folder: Path
    adapters: Mapping[str, Path]
    recipes: Sequence[Recipe]
    profiles: Sequence[Profile]
    workstation: Workstation
    is_hashed: bool = True


def inspect_checkpoint(request: InspectionRequest, *, on_progress: Progress | None = None) -> Checkpoint:
    """Read a checkpoint's headers and the files around them. Does not refuse: ``Checkpoint.require`` does.

    Args:
        request: folder, adapters, recipes and profiles to estimate for, what the workstation has.
        on_progress: called while files are hashed.

    Raises:
        ExportError: no usable config.json, another architecture, or a declared view for which nothing can be estimated.
    """
    folder = request.folder
    if not folder.is_dir():
        raise ExportError(f"{folder} is no folder; give a checkpoint in Hugging Face layout")
    pointers = pointer_faults(folder)
    if is_pointer(folder / "config.json"):
        raise ExportError(pointers[0])
    arch = read_architecture(folder)
    weights, weight_faults = read_weights(folder)
    weight_faults += tensor_faults(arch, weights)
    around = _read_around(request, arch)
    digest = content_digest(folder) if request.is_hashed and not weight_faults and not weights.unread else None
    return Checkpoint(
        folder=str(folder),
        architecture=arch,
        parameters={str(part): count for part, count in count_parts(weights.tensors).items()},
        dtypes=dict(Counter(tensor.dtype for tensor in weights.tensors)),
        shards=weights.shards,
        weights_bytes=weights.size_bytes,
        newer_names=any(published_name(tensor.name) != tensor.name for tensor in weights.tensors),
        content_digest=digest,
        files=_files(folder, is_hashed=request.is_hashed, on_progress=on_progress),
        tokenizer=around.tokenizer,
        preprocessor=around.preprocessor,
        licences=around.licences,
        adapters=around.adapters,
        estimates=_estimates(request, arch, around, stored=_stored(weights)),
        workstation=request.workstation,
        notes=tuple(_notes(folder, arch, weights, around)),
        faults=(*pointers, *weight_faults, *around.faults, *_digest_faults(around.adapters, digest)),
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around the weights, and the faults found there."""

    tokenizer: TokenizerFacts | None
    preprocessor: PreprocessorFacts | None
    adapters: tuple[AdapterFolder, ...]
    licences: LicenceFacts
    faults: tuple[str, ...]


def _read_around(request: InspectionRequest, arch: Architecture) -> _Around:
    tokenizer, faults = read_tokenizer(request.folder, arch)
    preprocessor, wrong_preprocessor = read_preprocessor(request.folder, arch)
    adapters, wrong_adapters = _adapters(request.adapters, base=read_base_shape(request.folder))
    licences, wrong_licences = read_licences(request.folder, arch, adapters=request.adapters)
    all_faults = (*faults, *wrong_preprocessor, *wrong_adapters, *wrong_licences)
    return _Around(tokenizer, preprocessor, adapters, licences, all_faults)


def _stored(weights: Weights) -> tuple[str, ...]:
    """Return the types of the backbone's tensors; a side branch is read by its own import."""
    backbone = (tensor for tensor in weights.tensors if part_of(published_name(tensor.name)) != "side_branch")
    return tuple(sorted({tensor.dtype for tensor in backbone})) or ("BF16",)


def _estimates(
    request: InspectionRequest, arch: Architecture, around: _Around, *, stored: tuple[str, ...]
) -> tuple[RecipeEstimate, ...]:
    factors = load_factors()
    pixels = _pixel_budget(request.folder, around.preprocessor, factors)
    per_token = (arch.patch_size * arch.spatial_merge_size) ** 2
    rates = Rates(per_token, pixels, factors["build.bytes_per_token"])
    subject = Subject(arch, around.adapters, pixels, stored, read_expected_work(request.folder, rates))
    return tuple(
        estimate_recipe(subject, recipe, profiles=request.profiles, factors=factors) for recipe in request.recipes
    )


def _adapters(folders: Mapping[str, Path], *, base: BaseShape) -> tuple[tuple[AdapterFolder, ...], list[str]]:
    """Read every PEFT folder; one that can be read is held against the base as its import will hold it."""
    found, faults = [], []
    for agent, place in folders.items():
        facts, lines = read_adapter_folder(place, agent=agent)
        if facts is not None:
            found.append(facts)
            if not lines:
                lines = _refused(place, agent=agent, base=base)
        faults += lines
    return tuple(found), faults


def _refused(place: Path, *, agent: str, base: BaseShape) -> list[str]:
    try:
        check_headers(place, base=base)
    except ExportError as exc:
        return [f"adapter {agent}: {exc}"]
    return []


def _digest_faults(adapters: Sequence[AdapterFolder], digest: str | None) -> list[str]:
    return [
        f"adapter {one.agent} was trained on the backbone {one.base_digest[:16]}, this one is {digest[:16]}; bring its own"
        for one in adapters
        if digest is not None and one.base_digest is not None and one.base_digest != digest
    ]


def _pixel_budget(folder: Path, preprocessor: PreprocessorFacts | None, factors: Factors) -> int:
    """Return the pixels of a view: as declared, else as the checkpoint allows up to the cap of the table."""
    path = folder / DECLARATION_NAME
    declared = None
    if path.is_file() and not is_pointer(path):
        try:
            declared = read_json(path).get("max_pixels")
        except ExportError:
            declared = None  # the licences name the broken file
    if isinstance(declared, int) and not 0 < declared < 1 << 31:
        raise ExportError(f"{path}: max_pixels = {str(declared)[:20]} is no number of pixels; mend it")
    cap = round(factors["device.pixel_cap"])
    allowed = preprocessor.max_pixels if preprocessor is not None else cap
    return int(declared) if isinstance(declared, int) else min(allowed, cap)


def _files(folder: Path, *, is_hashed: bool, on_progress: Progress | None) -> tuple[FileFacts, ...]:
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    total = sum(path.stat().st_size for path in paths)
    done = 0
    found = []
    for path in paths:
        digest = hashlib.sha256()
        if is_hashed:
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    done += len(chunk)
                    if on_progress is not None:
                        on_progress(path.name, done, total)
        found.append(FileFacts(path.name, path.stat().st_size, digest.hexdigest() if is_hashed else None))
    return tuple(found)


def _unready(folder: Path) -> list[str]:
    """Say what a build would miss beside the weights: it is often looked at before all of it is written."""
    try:
        load_declaration(folder)
        load_golden_source(folder / "golden")
    except ExportError as exc:
        return [f"not ready to build: {exc}"]
    return []


def _notes(folder: Path, arch: Architecture, weights: Weights, around: _Around) -> list[str]:
    lines = list(around.licences.notes)
    if around.tokenizer is not None and around.tokenizer.chat_template is None:
        lines.append("no chat template: prompts come from derm_edge.json alone")
    if around.preprocessor is not None and around.preprocessor.processor == FAST_PROCESSOR:
        lines.append(f"{FAST_PROCESSOR}: the device cuts pictures as {PROCESSOR} does; values differ by rounding")
    if arch.has_side_branch:
        count = sum(part_of(published_name(tensor.name)) == "side_branch" for tensor in weights.tensors)
        lines.append(f"side branch of {count} tensors: its own import checks shapes, mask, scale and policies")
    return lines + _unready(folder)
