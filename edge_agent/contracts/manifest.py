"""The bundle manifest: what a packaged model says about itself, before anything is loaded.

The manifest is the payload of a DSSE envelope (``manifest.dsse.json``); this module only
describes it. Verifying the signature and the files is ``edge_agent.contracts.bundle``'s job.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
PAYLOAD_TYPE = "application/vnd.derm-edge.bundle-manifest+json"

AgentName = Literal["recognition", "representation", "reasoning"]
AGENTS: tuple[AgentName, ...] = ("recognition", "representation", "reasoning")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """Base of every boundary model: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(Strict):
    """One file of the bundle: POSIX path below the bundle folder, role, size in bytes, digest."""

    path: str
    role: str
    size_bytes: int = Field(ge=0)
    sha256: Sha256


class VisionSpec(Strict):
    """Numbers of the vision tower that the device's own preprocessing needs (engine.md)."""

    hidden_size: int
    num_heads: int
    patch_size: int
    temporal_patch_size: int
    spatial_merge_size: int
    window_size: int
    fullatt_block_indexes: list[int]


class Backbone(Strict):
    """The model shared by all agents. ``content_digest`` binds adapters to it, never its name."""

    architecture: Literal["qwen2_5_vl"]
    content_digest: Sha256
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    mrope_section: list[int]
    image_token_id: int
    vision_start_token_id: int
    eos_token_ids: list[int]
    pad_token_id: int
    vision: VisionSpec


class PreprocessingSpec(Strict):
    """Qwen2-VL image preprocessing: pixel budget in px (height x width), mean and std per channel (RGB, 0..1)."""

    min_pixels: int
    max_pixels: int
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]
    resample: Literal["bicubic"] = "bicubic"


class Activation(Strict):
    """When an adapter is on: ``always``, or from the last occurrence of its invocation tokens on."""

    kind: Literal["always", "invocation"]
    invocation_token_ids: list[int] = []


class AdapterSpec(Strict):
    """One adapter object. ``files`` are paths of FileEntry; ``base_digest`` must equal the backbone's content_digest."""

    name: AgentName
    r: int
    alpha: float
    precision: Literal["f32", "int8", "int4"]
    target_modules: list[str]
    base_digest: Sha256
    activation: Activation
    files: list[str]


class Generation(Strict):
    """Generation settings, honoured exactly. Temperature 0 is greedy."""

    max_tokens: int = Field(gt=0)
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    stop: list[str] = []
    seed: int = 0


class Step(Strict):
    """One turn of an agent.

    ``prompt`` is a template with ``{images}`` and the names in ``AgentInputs.text``; the first step's
    template opens the conversation, a later step's template is appended after the answer so far.
    ``output_schema`` is a JSON schema (contract ``schema``); key order is the order of generation.
    """

    name: str
    prompt: str
    contract: Literal["schema", "text"]
    output_schema: dict[str, object] | None = None
    decided_fields: list[str] = []
    generation: Generation


class AgentInputs(Strict):
    """What an agent may see: pictures (one view, all, none) and named texts."""

    images: Literal["one", "all", "none"]
    text: list[str] = []


class RenderedPrompt(Strict):
    """One rendered prompt (images as one pad token each) with its token ids, checked when the tokenizer is loaded."""

    text: str
    token_ids: list[int]


class AgentSpec(Strict):
    """One agent: its adapter (None: bare backbone), inputs, steps and a tokenizer check."""

    adapter: AgentName | None
    inputs: AgentInputs
    steps: list[Step] = Field(min_length=1)
    rendered_prompt: RenderedPrompt


class FieldCalibration(Strict):
    """Per-field temperature (probabilities are softmax(logits / temperature)) and the least confidence to report a value."""

    temperature: float = Field(gt=0, default=1.0)
    min_confidence: float = Field(ge=0, le=1, default=0.0)


class Thresholds(Strict):
    """Scope thresholds (probabilities, 0..1) and per-field calibration, keyed ``recognition.family`` and so on.

    ``scope_looks``: how many orientations of a view that seems to be ours the scope decision averages; 1 is the picture
    as it came. The other thresholds hold for exactly this number.
    """

    lesion_visible: float = Field(ge=0, le=1)
    in_scope_family: float = Field(ge=0, le=1)
    danger_family: float = Field(ge=0, le=1)
    not_skin: float = Field(ge=0, le=1)
    scope_looks: int = Field(default=1, ge=1, le=8)
    fields: dict[str, FieldCalibration] = {}


class CanaryBounds(Strict):
    """Largest allowed |logit difference| against PyTorch + PEFT in strict settings, and least argmax agreement (0..1)."""

    strict_max_abs: float
    strict_min_argmax: float


class Canary(Strict):
    """Expected FP32 logits per adapter (npz: ``<name>.input_ids``, ``.logits``; ``bare`` too), from PyTorch + PEFT."""

    file: str
    bounds: CanaryBounds


class Golden(Strict):
    """Rendered golden cases: archive of pictures, intake and the expected decisions (made by PyTorch + PEFT).

    ``min_agreement``: least share (0..1) of those decisions that a device in production settings must repeat.
    """

    file: str
    count: int
    min_agreement: float = Field(ge=0, le=1, default=1.0)


class CensusRow(Strict):
    """Precision census of one model part: weight count and bytes per element type."""

    part: str
    element_type: str
    tensors: int
    elements: int
    bytes: int


class Manifest(Strict):
    """Everything a device must know to accept, load and judge a bundle."""

    schema_version: Literal[1]
    name: str
    version: str
    lineage: str = Field(description="severity and change are compared only within one lineage")
    clinical_use: Literal[False, True]
    notice: str
    licences: dict[str, str]
    files: list[FileEntry]
    backbone: Backbone
    preprocessing: PreprocessingSpec
    adapters: list[AdapterSpec]
    agents: dict[AgentName, AgentSpec]
    vocabulary_version: str
    vocabulary_sha256: Sha256
    languages: list[str]
    thresholds: Thresholds
    canary: Canary
    golden: Golden
    recipe: dict[str, object]
    census: list[CensusRow]
    metrics: dict[str, object]

    def file(self, role: str) -> FileEntry:
        """Return the one file with this role.

        Raises:
            KeyError: no file, or more than one, has the role.
        """
        found = [f for f in self.files if f.role == role]
        if len(found) != 1:
            raise KeyError(role)
        return found[0]
