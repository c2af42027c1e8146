"""``derm-edge device soak | status | revoke``: let a second device earn its place, say what it has, take it away."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edge_agent.config import Config
from edge_agent.contracts.local_time import PLAIN
from edge_agent.errors import ConfigError, DaemonError, InferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.commands.screen import Screen
    from edge_agent.contracts.manifest import Manifest
    from edge_agent.device_bootstrap import Choice, Devices
    from edge_agent.devices.verdict import Verdict

DEFAULT_CASES = 48
MOST_CASES = 1_000_000  # with --minutes: the time ends it


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, its three actions and their arguments."""
    parser = commands.add_parser("device", help="let the graphics earn their place beside the CPU")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    soak = actions.add_parser("soak", help="test the second device beside the CPU and write the verdict")
    length = soak.add_mutually_exclusive_group()
    length.add_argument("--cases", type=_count, metavar="N", help=f"cases on each device (default: {DEFAULT_CASES})")
    length.add_argument("--minutes", type=_minutes, metavar="M", help="begin no further case after so long")
    soak.set_defaults(command=run_soak)
    status = actions.add_parser("status", help="show the verdict and whether it holds now")
    status.add_argument("--json", action="store_true", help="print as JSON")
    status.set_defaults(command=run_status)
    revoke = actions.add_parser("revoke", help="take the place away until the next soak test")
    revoke.add_argument("--reason", default="an operator took it away", help="stands beside the verdict")
    revoke.set_defaults(command=run_revoke)


def run_soak(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Soak the profile's second device and write the verdict.

    Returns:
        0: it has earned its place.

    Raises:
        ConfigError: the profile names no second device, or this computer has none.
        DaemonError: the daemon runs; two engines more would not say what one takes.
        InferenceError: the device is refused; the reasons stand in the message and beside the verdict.
    """
    return soak(options, config, screen)


def soak(options: argparse.Namespace, config: Config, screen: Screen, *, devices: Devices | None = None) -> int:
    """Do what ``run_soak`` says with other devices than this computer's; None are its own."""
    from edge_agent.device_bootstrap import soak_sides
    from edge_agent.devices.soak import Soak
    from edge_agent.devices.soak_verdict import figures_of, reasons_against

    choice = _testable(config, devices)
    with _alone(config), screen.progress(f"soak test of {choice.candidate.name}") as progress:
        choice.verdicts.begin_test(choice.candidate.name, choice.key)
        candidate, cpu = soak_sides(config, choice.candidate)
        test = Soak(candidate, cpu, read_memory=_resident_bytes, on_progress=progress)
        max_s = None if options.minutes is None else options.minutes * 60
        seen = test.run(cases=_cases(options), max_s=max_s)
        key = choice.key.model_copy(update={"device": seen.device})
        reasons = reasons_against(seen, start_timeout_s=config.inference.start_timeout_s)
        verdict = choice.verdicts.end_test(key, reasons=reasons, figures=figures_of(seen))
    for line in _lines(verdict):
        print(line)
    if reasons:
        raise InferenceError(f"{choice.candidate.name} is refused: {reasons[0]}; cases run on the CPU")
    return 0


def run_status(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Show the verdict with its figures, and whether it holds now. Loads nothing.

    Raises:
        RejectedError: the bundle is not trusted or is damaged.
        ConfigError: there is no such profile.
    """
    return status(options, config)


def status(options: argparse.Namespace, config: Config, *, devices: Devices | None = None) -> int:
    """Do what ``run_status`` says with other devices than this computer's; None are its own."""
    choice = _choice(config, devices)
    held = None if choice is None else choice.verdicts.read()
    line = "the profile names no second device; cases run on the CPU" if choice is None else choice.line
    if options.json:
        verdict = None if held is None else held.model_dump(mode="json")
        json.dump({"now": line, "may_run": choice is not None and not choice.reason, "verdict": verdict}, sys.stdout)
        sys.stdout.write("\n")
        return 0
    print(line)
    for row in [] if held is None else _lines(held):
        print(row)
    return 0


def run_revoke(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Take the second device's place away; a running daemon leaves it before the next case.

    Raises:
        ConfigError: there is no verdict to take away.
        StoreError: it cannot be written; the device keeps its place.
    """
    from edge_agent.device_bootstrap import open_verdicts
    from edge_agent.devices.verdict import Event

    if open_verdicts(config).revoke(options.reason, by=Event.OPERATOR) is None:
        raise ConfigError("there is no verdict to take away; cases run on the CPU")
    screen.note("Revoked: the next case runs on the CPU.")
    return 0


def _testable(config: Config, devices: Devices | None) -> Choice:
    """Return what there is to test.

    Raises:
        ConfigError: nothing.
    """
    from edge_agent.bootstrap import resolve_profile
    from edge_agent.compatibility import predicted
    from edge_agent.device_bootstrap import Devices as Known
    from edge_agent.device_bootstrap import choose, what_is_missing

    manifest, surroundings = _manifest(config), (devices or Known()).surroundings
    choice = choose(config, manifest, devices=devices)
    if choice is None:
        raise ConfigError(f"profile {config.profile} names no second device: there is nothing to test")
    if missing := what_is_missing(choice.candidate, surroundings, choice.key):
        raise ConfigError(f"{choice.candidate.name}: {missing}; cases run on the CPU")
    needed, there = 2 * predicted(manifest, resolve_profile(config)).memory_bytes, surroundings.memory_bytes()
    if needed > there:
        raise ConfigError(
            f"a soak test holds two engines, {needed / 1e9:.1f} GB, and this computer has {there / 1e9:.1f} GB: a second "
            "device cannot be tested with this bundle here"
        )
    return choice


def _choice(config: Config, devices: Devices | None) -> Choice | None:
    from edge_agent.device_bootstrap import choose

    return choose(config, _manifest(config), devices=devices)


def _manifest(config: Config) -> Manifest:
    from edge_agent.bootstrap import engine_wish, resolve_profile
    from edge_agent.engine_bootstrap import verify_bundle

    return verify_bundle(engine_wish(config), profile=resolve_profile(config)).manifest


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    """Hold the state folder: whoever runs cases at the same time would spoil the figures."""
    from edge_agent.state_dir import StateLock, prepare_state_dir

    prepare_state_dir(config.state_dir)
    try:
        lock = StateLock(config.state_dir, wait_s=0.0)
    except DaemonError as exc:
        raise DaemonError("a soak test needs the computer for itself; stop derm-edge run first") from exc
    with lock:
        yield


def _resident_bytes(pid: int) -> int:
    from device_profiles.graphics import resident_bytes

    return resident_bytes(pid)


def _cases(options: argparse.Namespace) -> int:
    if options.minutes is not None:
        return MOST_CASES
    return int(options.cases or DEFAULT_CASES)


def _lines(verdict: Verdict) -> list[str]:
    """Return the verdict for a person."""
    key: dict[str, Any] = verdict.key.model_dump()
    counted = {"revoked": verdict.revocations, "unfinished": verdict.unfinished}
    return [
        f"verdict    {verdict.candidate} {verdict.standing}, {PLAIN.time(verdict.decided)}",
        *(f"because    {reason}" for reason in verdict.reasons),
        *(f"{name:<10} {value or 'not known'}" for name, value in key.items()),
        *(f"{name:<14} {value:,.6g}" for name, value in verdict.figures.items()),
        *(f"{name:<14} {count} times" for name, count in counted.items() if count),
    ]


def _count(text: str) -> int:
    from edge_agent.devices.soak_verdict import MIN_CASES

    count = int(text) if text.isdigit() else 0
    if count < MIN_CASES:
        raise argparse.ArgumentTypeError(f"at least {MIN_CASES} cases are needed for a verdict")
    return count


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError("write a number of minutes above 0")
    return minutes
