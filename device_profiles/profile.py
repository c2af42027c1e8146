"""Describe a device class: hardware facts that a person checked once, each with its source.

A profile is a fact about hardware; what the operator wants stands in the configuration and what a model
needs stands in its manifest. Nothing here knows either of them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hardware(_Strict):
    """State the least hardware of the class: cores, memory and free disk in bytes."""

    architecture: str
    cpu_count_min: int = Field(ge=1)
    memory_total_min_bytes: int = Field(gt=0)
    disk_free_min_bytes: int = Field(gt=0)


class InferenceFacts(_Strict):
    """State how inference runs on the class: OpenVINO device, threads, memory in bytes, time limit in seconds."""

    device: Literal["CPU", "GPU"]
    threads: int = Field(ge=1)
    memory_budget_bytes: int = Field(gt=0)
    job_timeout_s: float = Field(gt=0)


class Profile(_Strict):
    """Hold one complete device profile; ``profile_class`` is the coarse name that may leave the device."""

    schema_version: Literal[1]
    name: str
    title: str
    test_only: bool
    profile_class: str
    hardware: Hardware
    inference: InferenceFacts
    sources: dict[str, str]

    @model_validator(mode="after")
    def _every_value_has_its_source(self) -> Profile:
        wanted = {f"hardware.{name}" for name in Hardware.model_fields}
        wanted |= {f"inference.{name}" for name in InferenceFacts.model_fields}
        if missing := sorted(wanted - set(self.sources)):
            raise ValueError(f"values without a source: {', '.join(missing)}")
        if unknown := sorted(set(self.sources) - wanted):
            raise ValueError(f"sources for values that do not exist: {', '.join(unknown)}")
        return self
