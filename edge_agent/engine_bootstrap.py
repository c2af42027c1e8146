"""Verify a bundle and build the pipeline on it: what the inference child and a single command need, and nothing else.

Apart from ``bootstrap``, because the inference child has no store and no network. OpenVINO is loaded only by
``open_pipeline``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class EngineWish:
    """Say which bundle to load and on what: OpenVINO device and thread count.

    ``practice_file`` holds the switches of the practice; None: the usual place, else the strict defaults.
    """

    bundle_dir: Path
    keys_dir: Path
    device: str
    threads: int
    practice_file: Path | None = None


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """Hold the verified bundle and the pipeline that runs cases on it."""

    bundle: Bundle
    runner: Runner


def verify_bundle(wish: EngineWish, *, profile: Profile | None = None) -> Bundle:
    """Verify a bundle's signature, files and, with a profile, that it fits. Loads no model.

    Raises:
        RejectedError: it is not trusted, damaged, or does not fit.
        ConfigError: there is no trusted key.
    """
    from edge_agent.compatibility import check_compatible
    from edge_agent.contracts.bundle import open_bundle
    from edge_agent.contracts.keys import load_keys

    bundle = open_bundle(wish.bundle_dir, keys=load_keys(wish.keys_dir))
    if profile is not None:
        check_compatible(bundle.manifest, profile)
    return bundle


@contextmanager
def open_pipeline(wish: EngineWish, *, replay_canary: bool = False) -> Iterator[LoadedPipeline]:
    """Verify the bundle and load it: ``verify_bundle``, then ``load_pipeline``, with the errors of both."""
    with load_pipeline(verify_bundle(wish), wish, replay_canary=replay_canary) as loaded:
        yield loaded


@contextmanager
def load_pipeline(bundle: Bundle, wish: EngineWish, *, replay_canary: bool = False) -> Iterator[LoadedPipeline]:
    """Load the engine on a verified bundle and build the pipeline. Loads OpenVINO into this process.

    Args:
        bundle: as ``verify_bundle`` returned it; it is not verified again.
        wish: device and threads.
        replay_canary: let the loaded engine answer the bundle's canary and golden cases first (some seconds): a
            driver or a processor that computes something else is found before it sees a patient.

    Raises:
        RejectedError: a part does not fit the manifest, or the engine does not answer as the bundle expects.
        InferenceError: the engine cannot load it.
        ConfigError: the practice file cannot be read.
    """
    from edge_agent.inference.engine import Engine, EngineSettings
    from edge_agent.practice import load_practice

    practice = load_practice(wish.practice_file)
    with Engine(bundle, settings=EngineSettings(device=wish.device, threads=wish.threads)) as engine:
        if replay_canary and (failures := engine.run_canary().failures()):
            raise Incompatible(
                f"the engine does not answer as the bundle expects ({failures[0]}); run derm-edge doctor on this device"
            )
        engine.forget()
        runner = build_pipeline(engine, bundle.manifest, device=wish.device, practice=practice)
        yield LoadedPipeline(bundle=bundle, runner=runner)


def build_pipeline(
    engine: AgentEngine, manifest: Manifest, *, device: str, practice: Practice | None = None
) -> CasePipeline:
    """Build the pipeline on an engine that is loaded.

    Args:
        engine: holds the bundle.
        manifest: the same bundle's.
        device: the processor that reports name.
        practice: the switches of the practice; None holds the strict defaults.

    Raises:
        Incompatible: the bundle may answer or read what this device does not know.
    """
    from edge_agent.agents.pipeline import CasePipeline
    from edge_agent.contracts.terms import Vocabulary

    return CasePipeline(engine, manifest, Vocabulary.load(), practice=practice, device=device)
