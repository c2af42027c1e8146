"""The bundle manifest: what a packaged model says about itself, before anything is loaded.

The manifest is the payload of a DSSE envelope (``manifest.dsse.json``); this module only
describes it. Verifying the signature and the files is ``edge_agent.contracts.bundle``'s job.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    """What an agent may see: pictures (one view, all, none) and named texts.

    ``record_fields``: which fields of the visit's record the text ``record`` holds (``agents.evidence.record``), the ones
    that the agent was trained to read; given exactly where ``record`` is among the texts.
    """

    images: Literal["one", "all", "none"]
    text: list[str] = []
    record_fields: list[str] = []

    @model_validator(mode="after")
    def _record_and_its_fields_go_together(self) -> AgentInputs:
        """Refuse an empty record, and fields that nobody would be shown."""
        if ("record" in self.text) != bool(self.record_fields):
            raise ValueError("inputs.record_fields and the text record go together: declare both or neither")
        return self


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
    ``danger_family`` bounds the danger families together; ``danger_families`` may bound single ones lower still, never
    higher, since the sum counts too. ``views_disagree``: a near view that names a family which is not ours with at least
    this probability contradicts a view that is ours; a bundle that declares none gets a default that nobody fitted.
    """

    lesion_visible: float = Field(ge=0, le=1)
    in_scope_family: float = Field(ge=0, le=1)
    danger_family: float = Field(ge=0, le=1)
    not_skin: float = Field(ge=0, le=1)
    scope_looks: int = Field(default=1, ge=1, le=8)
    danger_families: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    views_disagree: float = Field(ge=0, le=1, default=0.8)
    fields: dict[str, FieldCalibration] = {}


class Evidence(Strict):
    """For whom figures stand behind the bundle; a part that is None declares nothing, which is a named limitation.

    ``fitzpatrick`` 1-6 and ``monk`` 1-10 as the form asks for them, ``age_years`` [least, most] in completed years, both
    included, ``body_sites`` ids of the list ``body_site``.
    """

    fitzpatrick: list[Annotated[int, Field(ge=1, le=6)]] | None = Field(default=None, min_length=1)
    monk: list[Annotated[int, Field(ge=1, le=10)]] | None = Field(default=None, min_length=1)
    age_years: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=120)]] | None = None
    body_sites: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _ages_are_in_order(self) -> Evidence:
        """Refuse a range that holds nobody: every case would end in an abstention without anybody meaning it."""
        if self.age_years is not None and self.age_years[0] > self.age_years[1]:
            raise ValueError("evidence.age_years is [least, most]: put the smaller age first")
        return self


class CalibrationRecord(Strict):
    """On which split and how many cases the thresholds were fitted, and the expected calibration error left per field.

    ``ece`` is keyed ``recognition.family`` and so on, 0..1, taken on ``ece_split``. A bundle that carries this record
    claims to be calibrated: a decided field that ``thresholds.fields`` leaves out is then withheld.
    """

    split: str
    cases: int = Field(gt=0)
    ece_split: str | None = None
    ece: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}


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
    evidence: Evidence | None = None
    calibration: CalibrationRecord | None = None
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
