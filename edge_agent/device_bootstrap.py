"""Choose the device that cases run on and build its children: the ladder for daily use, the two sides of a soak test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.bootstrap import child_settings, engine_wish, resolve_profile
from edge_agent.config import Config
from edge_agent.contracts.manifest import Manifest
from edge_agent.devices.candidates import CANDIDATES, Candidate, candidate_of
from edge_agent.devices.facts import Surroundings
from edge_agent.devices.verdict import FILE_NAME, Key, Verdicts, why_not
from edge_agent.engine_bootstrap import EngineWish, load_pipeline
from edge_agent.inference_child import ChildSettings, InferenceChild

if TYPE_CHECKING:
    from edge_agent.casework import Runner
    from edge_agent.contracts.bundle import Bundle
    from edge_agent.devices.ladder import Ladder, OnStep

GRAPHICS = "GPU"
NO_GRAPHICS = "this computer shows no graphics of its processor (/dev/dri/renderD*): load the driver, i915 or xe"
NO_DRIVER = "its driver's version cannot be read, so nobody would notice another one: install intel-opencl-icd"


@dataclass(frozen=True, slots=True)
class Devices:
    """Say what devices there may be and where facts about them are read; a test puts others in their place."""

    candidates: Mapping[str, Candidate] = field(default_factory=lambda: CANDIDATES)
    surroundings: Surroundings = field(default_factory=Surroundings)


@dataclass(frozen=True, slots=True)
class Choice:
    """Say what a profile's second device may do now: ``reason`` is why it may not run cases, empty when it may."""

    candidate: Candidate
    key: Key
    verdicts: Verdicts
    reason: str

    @property
    def line(self) -> str:
        """Return one line for people."""
        if not self.reason:
            return f"{self.candidate.name}: it has earned its place; cases run on it"
        return f"{self.candidate.name}: {self.reason}; cases run on the CPU"


def open_verdicts(config: Config) -> Verdicts:
    """Return the place of the verdict in the state folder; reads nothing."""
    return Verdicts(config.state_dir / FILE_NAME)


def choose(config: Config, manifest: Manifest, *, devices: Devices | None = None) -> Choice | None:
    """Look whether the profile's second device may run cases of a bundle; None where the profile names none.

    Loads nothing and does not touch the device.

    Raises:
        ConfigError: there is no such profile.
    """
    known = devices or Devices()
    profile = resolve_profile(config)
    candidate = candidate_of(profile, known.candidates)
    if candidate is None:
        return None
    key, verdicts = known.surroundings.key(profile, manifest), open_verdicts(config)
    missing = what_is_missing(candidate, known.surroundings, key)
    return Choice(candidate, key, verdicts, missing or why_not(verdicts.read(), candidate.name, key))


def what_is_missing(candidate: Candidate, surroundings: Surroundings, key: Key) -> str:
    """Say in one line why a device cannot even be tested on this computer; empty when it can."""
    if candidate.name == GRAPHICS and not surroundings.graphics():
        return NO_GRAPHICS
    return "" if key.driver else NO_DRIVER


def candidate_wish(wish: EngineWish, candidate: Candidate) -> EngineWish:
    """Ask for the same bundle on the second device, in its own arithmetic."""
    return replace(wish, device=candidate.openvino_device, threads=candidate.threads, arithmetic=candidate.arithmetic)


def build_ladder(
    config: Config,
    manifest: Manifest,
    *,
    stop: threading.Event,
    on_step: OnStep,
    bundle_dir: Path | None = None,
    devices: Devices | None = None,
) -> Ladder:
    """Build every rung that this configuration has. Starts nothing; what cannot be used is told to ``on_step`` at once.

    Args:
        config: the device's configuration.
        manifest: of the verified bundle in ``bundle_dir``.
        stop: set when the process ends; what then fails is nobody's fault.
        on_step: see ``Ladder``.
        bundle_dir: overrides the configured one.
        devices: None are those of this computer.

    Raises:
        ConfigError: there is no such profile.
    """
    from edge_agent.devices.ladder import Earned, Ladder

    wish = engine_wish(config, bundle_dir=bundle_dir)
    rungs = [
        InferenceChild(child_settings(config, one), wait=stop.wait) for one in (wish, replace(wish, is_careful=True))
    ]
    choice = choose(config, manifest, devices=devices)
    earned = None
    if choice is not None and choice.reason:
        on_step(choice.candidate.name, rungs[0].rung, choice.reason)
    elif choice is not None:
        settings = candidate_settings(config, candidate_wish(wish, choice.candidate), choice.candidate)
        child = InferenceChild(settings, wait=stop.wait)
        earned = Earned(choice.candidate.name, child, choice.verdicts, choice.key)
    return Ladder(rungs, earned=earned, is_stopping=stop.is_set, on_step=on_step)


@contextmanager
def open_runner(
    bundle: Bundle, wish: EngineWish, *, config: Config, note: Callable[[str], None], devices: Devices | None = None
) -> Iterator[Runner]:
    """Give a single command who runs its case: the engine in this process, or children where a second device may run it.

    Never a second device in this process: its driver may hang it or take it down, and the report with it.

    Args:
        bundle: as ``verify_bundle`` returned it.
        wish: the CPU's.
        config: the device's configuration.
        note: told in one line why a second device does not run the case, or no longer.
        devices: None are those of this computer.

    Raises:
        EdgeError: see ``load_pipeline``.
    """
    choice = choose(config, bundle.manifest, devices=devices)
    if choice is None or choice.reason:
        if choice is not None:
            note(choice.line)
        with load_pipeline(bundle, wish, replay_canary=True) as loaded:
            yield loaded.runner
        return
    ladder = build_ladder(
        config,
        bundle.manifest,
        stop=threading.Event(),  # nobody sets it: Ctrl-C ends the process
        on_step=lambda before, after, why: note(f"{before} -> {after}: {why}"),
        bundle_dir=wish.bundle_dir,
        devices=devices,
    )
    try:
        yield ladder
    finally:
        ladder.stop()


def candidate_settings(config: Config, wish: EngineWish, candidate: Candidate) -> ChildSettings:
    """Say how a second device's child is started."""
    usual = child_settings(config, replace(wish, name=candidate.name))
    return replace(usual, module=candidate.module, arguments=[*usual.arguments, *candidate.arguments])


def soak_sides(
    config: Config, candidate: Candidate
) -> tuple[Callable[[bool], InferenceChild], Callable[[bool], InferenceChild]]:
    """Return what makes the children of a soak test: on the second device, and on the CPU; True asks for strict ones."""
    wish = engine_wish(config)

    def on_candidate(is_strict: bool) -> InferenceChild:
        asked = replace(candidate_wish(wish, candidate), is_careful=is_strict)
        return _soak_child(candidate_settings(config, asked, candidate))

    def on_cpu(is_strict: bool) -> InferenceChild:
        return _soak_child(child_settings(config, replace(wish, is_careful=is_strict)))

    return on_candidate, on_cpu


def _soak_child(settings: ChildSettings) -> InferenceChild:
    return InferenceChild(replace(settings, arguments=[*settings.arguments, "--soak"]), wait=lambda _seconds: False)
