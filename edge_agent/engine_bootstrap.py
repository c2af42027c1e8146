"""Verify a bundle and build the pipeline on it: what the inference child and a single command need, and nothing else.

Apart from ``bootstrap``, because the inference child has no store and no network. OpenVINO is loaded only by
``open_pipeline``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device_profiles.profile import Profile
from edge_agent.errors import Incompatible

if TYPE_CHECKING:
    from edge_agent.agents.pipeline import CasePipeline
    from edge_agent.agents.recognition import AgentEngine
    from edge_agent.casework import Runner
    from edge_agent.contracts.bundle import Bundle
    from edge_agent.contracts.manifest import Manifest
    from edge_agent.contracts.practice import Practice
    from edge_agent.inference.engine import Engine, EngineSettings

    BuildEngine = Callable[[Bundle, EngineSettings], Engine]

CAREFUL = "careful"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Say in what the engine computes, as the device profile does; None leaves it to OpenVINO.

    ``release_vision_below_bytes`` is no arithmetic, but how the same profile spares memory; None: never.
    """

    precision: str | None = None
    kv_precision: str | None = None
    activation_group_size: int | None = None
    release_vision_below_bytes: int | None = None

    @classmethod
    def of(cls, profile: Profile) -> Arithmetic:
        """Take the values of a profile, whose ``default`` precision is OpenVINO's own choice."""
        facts = profile.inference
        precision = None if facts.precision == "default" else facts.precision
        spared = facts.release_vision_below_bytes or None
        return cls(precision, facts.kv_precision, facts.activation_group_size, spared)


@dataclass(frozen=True, slots=True)
class EngineWish:
    """Say which bundle to load and on what: OpenVINO device, thread count, arithmetic.

    ``practice_file`` holds the switches of the practice; None: the usual place, else the strict defaults. ``is_careful`` is
    the last rung before rules alone: f32 whatever ``arithmetic`` says, and every optimisation for time off. ``name`` is how people
    call the device, where that is not OpenVINO's name for it. ``routine_deadline_hours``: of tier T4 in this country, where
    its policy sets a shorter one than the vocabulary.
    """

    bundle_dir: Path
    keys_dir: Path
    device: str
    threads: int
    practice_file: Path | None = None
    arithmetic: Arithmetic = Arithmetic()
    is_careful: bool = False
    name: str | None = None
    routine_deadline_hours: int | None = None

    @property
    def rung(self) -> str:
        """Return the name of the device and its rung, as reports and people see it."""
        name = self.name or self.device
        return f"{name}, {CAREFUL}" if self.is_careful else name

    def settings(self) -> EngineSettings:
        """Return the settings of the engine. Loads OpenVINO into this process."""
        from edge_agent.inference.engine import EngineSettings

        settings = EngineSettings(device=self.device, threads=self.threads, **asdict(self.arithmetic))
        return settings.careful() if self.is_careful else settings


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """Hold the verified bundle and the pipeline that runs cases on it."""

    bundle: Bundle
    runner: Runner


def verify_bundle(wish: EngineWish, *, profile: Profile | None = None) -> Bundle:
    """Verify a bundle's signature, files and, with a profile, that this processor and class carry it. Loads no model.

    Raises:
        RejectedError: it is not trusted, damaged, or does not fit.
        ConfigError: there is no trusted key.
    """
    from device_profiles.loader import load_profiles
    from edge_agent.compatibility import check_compatible, check_this_processor
    from edge_agent.contracts.bundle import open_bundle
    from edge_agent.contracts.keys import load_keys

    bundle = open_bundle(wish.bundle_dir, keys=load_keys(wish.keys_dir))
    if profile is not None:
        check_this_processor()
        check_compatible(bundle.manifest, profile, others=load_profiles())
    return bundle


@contextmanager
def open_pipeline(
    wish: EngineWish, *, replay_canary: bool = False, build_engine: BuildEngine | None = None
) -> Iterator[LoadedPipeline]:
    """Verify the bundle and load it: ``verify_bundle``, then ``load_pipeline``, with the errors of both."""
    with load_pipeline(verify_bundle(wish), wish, replay_canary=replay_canary, build_engine=build_engine) as loaded:
        yield loaded


@contextmanager
def load_engine(bundle: Bundle, wish: EngineWish, *, build_engine: BuildEngine | None = None) -> Iterator[Engine]:
    """Load the engine on a verified bundle, and nothing else. Loads OpenVINO into this process.

    Args:
        bundle: as ``verify_bundle`` returned it; it is not verified again.
        wish: device, threads and arithmetic.
        build_engine: makes it; None is the engine itself.

    Raises:
        RejectedError: a part does not fit the manifest.
        InferenceError: the engine cannot load it.
    """
    from edge_agent.inference.engine import Engine

    settings = wish.settings()
    with build_engine(bundle, settings) if build_engine else Engine(bundle, settings=settings) as engine:
        yield engine


@contextmanager
def load_pipeline(
    bundle: Bundle, wish: EngineWish, *, replay_canary: bool = False, build_engine: BuildEngine | None = None
) -> Iterator[LoadedPipeline]:
    """Load the engine on a verified bundle and build the pipeline. Loads OpenVINO into this process.

    Args:
        bundle: as ``verify_bundle`` returned it; it is not verified again.
        wish: device and threads.
        replay_canary: let the loaded engine answer the bundle's canary and golden cases first (some seconds): a
            driver or a processor that computes something else is found before it sees a patient.
        build_engine: as for ``load_engine``.

    Raises:
        RejectedError: a part does not fit the manifest, or the engine does not answer as the bundle expects.
        InferenceError: the engine cannot load it.
        ConfigError: the practice file cannot be read.
    """
    from edge_agent.practice import load_practice

    practice = load_practice(wish.practice_file)
    with load_engine(bundle, wish, build_engine=build_engine) as engine:
        if replay_canary and (failures := engine.run_canary().failures()):
            raise Incompatible(
                f"the engine does not answer as the bundle expects ({failures[0]}); run derm-edge doctor on this device"
            )
        engine.forget()
        runner = build_pipeline(
            engine,
            bundle.manifest,
            device=wish.rung,
            practice=practice,
            routine_deadline_hours=wish.routine_deadline_hours,
        )
        yield LoadedPipeline(bundle=bundle, runner=runner)


def build_pipeline(
    engine: AgentEngine,
    manifest: Manifest,
    *,
    device: str,
    practice: Practice | None = None,
    routine_deadline_hours: int | None = None,
) -> CasePipeline:
    """Build the pipeline on an engine that is loaded.

    Args:
        engine: holds the bundle.
        manifest: the same bundle's.
        device: the processor that reports name.
        practice: the switches of the practice; None holds the strict defaults.
        routine_deadline_hours: see ``EngineWish``.

    Raises:
        Incompatible: the bundle may answer or read what this device does not know.
    """
    from edge_agent.agents.pipeline import CasePipeline
    from edge_agent.contracts.terms import ROUTINE_TIER, Vocabulary

    vocabulary = Vocabulary.load()
    if routine_deadline_hours is not None:
        vocabulary = vocabulary.with_deadline(ROUTINE_TIER, routine_deadline_hours)
    return CasePipeline(engine, manifest, vocabulary, practice=practice, device=device)
