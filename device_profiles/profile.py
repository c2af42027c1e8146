"""Describe a device class: hardware facts that a person checked once, each with its source.

A profile is a fact about hardware; what the operator wants stands in the configuration and what a model
needs stands in its manifest. Nothing here knows either of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _lasts(window: str) -> str:
    if window[:5] == window[6:]:
        raise ValueError("a window that ends when it begins is none; write 00:00-24:00 for the whole day")
    return window


Window = Annotated[
    str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"), AfterValidator(_lasts)
]
Percent = Annotated[int, Field(ge=0, le=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hardware(_Strict):
    """State which computers the class holds: processor, cores, memory and free disk in bytes, graphics.

    ``cpu_models``: regular expressions, one of which must be found in the processor's name; none: any processor.
    ``cpu_flags``: as /proc/cpuinfo spells them; all must be there. ``npu`` is noted only: nothing here runs on one.
    """

    architecture: str
    cpu_models: list[str]
    cpu_flags: list[str]
    cpu_count_min: int = Field(ge=1)
    memory_total_min_bytes: int = Field(gt=0)
    disk_free_min_bytes: int = Field(gt=0)
    is_igpu_required: bool
    npu: Literal["none", "unused"]

    @model_validator(mode="after")
    def _patterns_are_patterns(self) -> Hardware:
        for pattern in self.cpu_models:
            try:
                re.compile(pattern)
            except re.error as exc:
                raise ValueError(f"cpu_models: {pattern!r} is not a regular expression: {exc}") from exc
        return self


class InferenceFacts(_Strict):
    """State how inference runs on the class, and its ceilings.

    ``device_order``: OpenVINO devices, the most wanted first; a device before the CPU runs only once it has earned it.
    ``precision``: of the arithmetic; ``default`` leaves it to OpenVINO (bf16 where the CPU has it, else f32).
    ``activation_group_size``: values that share a scale where activations are quantized on the fly; 0: never.
    ``release_vision_below_bytes``: with less available memory than this the vision models are dropped after the pictures
    and compiled again for the next one; 0: never.
    ``max_pixels``: px of one view; ``max_new_tokens``: of one answer. ``job_timeout_s`` ends a case that hangs;
    ``max_case_s`` is how long a person may be asked to wait, which a bundle's prediction must not exceed.
    """

    device_order: list[Literal["CPU", "GPU"]] = Field(min_length=1)
    threads: int = Field(ge=1)
    precision: Literal["default", "f32", "bf16"]
    kv_precision: Literal["f32", "f16", "u8"]
    activation_group_size: int = Field(ge=0)
    release_vision_below_bytes: int = Field(ge=0)
    max_pixels: int = Field(gt=0)
    max_new_tokens: int = Field(gt=0)
    memory_budget_bytes: int = Field(gt=0)
    job_timeout_s: float = Field(gt=0)
    max_case_s: float = Field(gt=0)

    @property
    def device(self) -> str:
        """Return the device that needs no verdict: the last of the order."""
        return self.device_order[-1]

    @model_validator(mode="after")
    def _limits_agree(self) -> InferenceFacts:
        if self.device_order[-1] != "CPU" or len(set(self.device_order)) != len(self.device_order):
            raise ValueError("device_order names each device once and ends with CPU, which every computer has")
        if self.job_timeout_s < self.max_case_s:
            raise ValueError("job_timeout_s ends cases that max_case_s allows; make it at least as long")
        return self


class Rates(_Strict):
    """State what the cost model (``cost``) takes for the class: FLOP and bytes per second of all its threads together.

    ``call_s``: seconds that one call of the model costs whatever its size. ``weights_memory_factor``: resident memory of
    a loaded model over the bytes of its files. ``runtime_bytes``: of the process without a model.
    """

    gemm_flops_per_s: float = Field(gt=0)
    read_bytes_per_s: float = Field(gt=0)
    call_s: float = Field(ge=0)
    weights_memory_factor: float = Field(ge=1)
    runtime_bytes: int = Field(ge=0)


class Power(_Strict):
    """State when new cases wait: degrees Celsius of the hottest zone, percent of the battery where no mains feed it."""

    thermal_pause_c: float
    thermal_resume_c: float
    battery_pause_percent: Percent
    battery_resume_percent: Percent

    @model_validator(mode="after")
    def _pauses_end(self) -> Power:
        if self.thermal_resume_c >= self.thermal_pause_c:
            raise ValueError("thermal_resume_c must be below thermal_pause_c, or a pause ends where it begins")
        if self.battery_resume_percent <= self.battery_pause_percent:
            raise ValueError("battery_resume_percent must be above battery_pause_percent")
        return self


class Camera(_Strict):
    """State how the class takes pictures where nobody says otherwise: views of a case, px, seconds of patience."""

    views: int = Field(ge=1)
    width_px: int = Field(ge=448)
    height_px: int = Field(ge=448)
    timeout_s: float = Field(gt=0)


class Storage(_Strict):
    """State what the store may take of the disk, in bytes."""

    disk_budget_bytes: int = Field(gt=0)


class Sync(_Strict):
    """State when records leave by themselves: local times ``HH:MM-HH:MM``; a window may pass midnight."""

    windows: list[Window] = Field(min_length=1)


_SECTIONS: dict[str, type[BaseModel]] = {
    "hardware": Hardware,
    "inference": InferenceFacts,
    "rates": Rates,
    "power": Power,
    "camera": Camera,
    "storage": Storage,
    "sync": Sync,
}


class Profile(_Strict):
    """Hold one complete device profile; ``profile_class`` is the coarse name that may leave the device."""

    schema_version: Literal[3]
    name: str
    title: str
    test_only: bool
    profile_class: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    hardware: Hardware
    inference: InferenceFacts
    rates: Rates
    power: Power
    camera: Camera
    storage: Storage
    sync: Sync
    sources: dict[str, Annotated[str, Field(min_length=5)]]

    def values(self) -> dict[str, object]:
        """Return every value by its dotted name, in the order of the sections."""
        held = self.model_dump()
        return {f"{section}.{key}": value for section in _SECTIONS for key, value in held[section].items()}

    @model_validator(mode="after")
    def _every_value_has_its_source(self) -> Profile:
        wanted = {f"{section}.{name}" for section, model in _SECTIONS.items() for name in model.model_fields}
        if missing := sorted(wanted - set(self.sources)):
            raise ValueError(f"values without a source: {', '.join(missing)}")
        if unknown := sorted(set(self.sources) - wanted):
            raise ValueError(f"sources for values that do not exist: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _the_least_computer_carries_it(self) -> Profile:
        """Refuse settings that the smallest computer of the class cannot give."""
        most = self.hardware.cpu_count_min
        if self.inference.threads > most:
            raise ValueError(f"more threads than the {most} cores of the class's least computer")
        if self.inference.memory_budget_bytes > self.hardware.memory_total_min_bytes:
            raise ValueError("memory_budget_bytes is more than the class's least computer has")
        return self
