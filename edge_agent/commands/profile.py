"""``derm-edge profile detect | show | explain``: which class this computer is of, what that says, what a case costs there."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.config import MAX_VIEWS, Config
from edge_agent.errors import ConfigError, Incompatible

if TYPE_CHECKING:
    from device_profiles.detection import Detection
    from device_profiles.host import HostFacts
    from device_profiles.profile import Profile
    from edge_agent.commands.screen import Screen
    from edge_agent.contracts.manifest import Manifest


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, its three actions and their arguments."""
    parser = commands.add_parser("profile", help="which device profile this computer has, and why")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    detect = actions.add_parser("detect", help="read this computer and choose its profile")
    detect.add_argument("--root", type=Path, default=Path("/"), help="read proc, sys and dev below this folder instead")
    detect.set_defaults(command=run_detect)
    show = actions.add_parser("show", help="print every value of a profile with its source")
    show.set_defaults(command=run_show)
    explain = actions.add_parser("explain", help="predict seconds and memory of one case of a bundle on a profile")
    explain.add_argument("--bundle", type=Path, help="bundle folder (default: the configured one)")
    explain.add_argument(
        "--views", type=int, choices=range(1, MAX_VIEWS + 1), metavar="N", help="pictures (default: the profile's)"
    )
    explain.set_defaults(command=run_explain)
    for action in (show, explain):
        action.add_argument("name", nargs="?", help="a file of device_profiles/ (default: the configured one)")
    for action in (detect, show, explain):
        action.add_argument("--json", action="store_true", help="print as JSON")


def run_detect(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Choose the profile of this computer and say why it is no other one. Changes nothing.

    Raises:
        Incompatible: the processor has no AVX2.
        ConfigError: no profile holds this computer.
    """
    from device_profiles.detection import detect
    from device_profiles.host import read_host
    from device_profiles.loader import ProfileError, load_profiles

    host = read_host(config.state_dir, root=options.root)
    try:
        found = detect(host, load_profiles())
    except ProfileError as exc:
        raise Incompatible(str(exc)) from exc
    if found.chosen is None:
        reasons = "; ".join(f"{name}: {lines[0]}" for name, lines in found.others.items() if lines)
        raise ConfigError(f"{found.why} ({reasons}); use another computer or write a profile: docs/profiles.md")
    if options.json:
        _print_json(_detected(host, found, config))
        return 0
    for line in _host_lines(host):
        print(line)
    print(f"profile    {found.chosen.name} ({found.chosen.title}): {found.why}")
    for name, lines in found.others.items():
        print(f"not        {name}: {'; '.join(lines)}")
    if found.chosen.name != config.profile:
        print(f'configured {config.profile}; to change it, set profile = "{found.chosen.name}" in the configuration')
    return 0


def _host_lines(host: HostFacts) -> list[str]:
    power = host.power
    mains = {True: "mains", False: "no mains", None: "mains not told"}[power.is_on_mains]
    battery = "no battery" if power.battery_percent is None else f"battery {power.battery_percent} %"
    heat = "" if power.hottest_c is None else f", hottest zone {power.hottest_c:.0f} degrees"
    return [
        f"processor  {host.cpu_model}, {host.cpu_count} usable cores",
        f"memory     {host.memory_total_bytes / 1e9:.1f} GB",
        f"disk       {host.disk_free_bytes / 1e9:.1f} GB free",
        f"graphics   {', '.join(host.igpus) or 'none of the processor that could be used'}",
        f"power      {mains}, {battery}{heat}",
    ]


def _detected(host: HostFacts, found: Detection, config: Config) -> dict[str, Any]:
    return {
        "host": {**asdict(host), "cpu_flags": sorted(host.cpu_flags)},
        "profile": None if found.chosen is None else found.chosen.name,
        "why": found.why,
        "others": {name: list(lines) for name, lines in found.others.items()},
        "configured": config.profile,
    }


def run_show(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Print a profile.

    Raises:
        ConfigError: there is none with this name.
    """
    profile = _named(options, config)
    held = profile.values()
    if options.json:
        values = {name: {"value": value, "source": profile.sources[name]} for name, value in held.items()}
        _print_json({"name": profile.name, "title": profile.title, "class": profile.profile_class, "values": values})
        return 0
    print(f"{profile.name}: {profile.title}; class {profile.profile_class}")
    for name, value in held.items():
        print(f"{name:<32} {_told(value)}\n{'':<32}   {profile.sources[name]}")
    return 0


def run_explain(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Predict one case of the bundle on a profile, and say on which profiles it fits. Runs no model.

    Raises:
        RejectedError: the bundle is not trusted or is damaged.
        ConfigError: there is no profile with this name.
    """
    from edge_agent.bootstrap import engine_wish
    from edge_agent.engine_bootstrap import verify_bundle

    profile = _named(options, config)
    manifest = verify_bundle(engine_wish(config, bundle_dir=options.bundle)).manifest
    facts = _explained(manifest, profile, views=options.views or profile.camera.views)
    if options.json:
        _print_json(facts)
        return 0
    print(f"{manifest.name} {manifest.version} on {profile.name} ({profile.title}), {facts['views']} views")
    for phase, seconds in facts["seconds"].items():
        print(f"  {phase:<10} {seconds:8.1f} s")
    print(f"  one view more {facts['seconds_per_further_view']:.1f} s; allowed per case {facts['max_case_s']:.0f} s")
    print(f"  memory     {facts['memory_bytes'] / 1e9:8.2f} GB; allowed {facts['memory_budget_bytes'] / 1e9:.2f} GB")
    for name, lines in facts["fits"].items():
        print(f"  {name:<12} {'; '.join(lines) or 'fits'}")
    print(
        "a prediction from shapes and the rates of the profile, nothing was run; docs/profiles.md says how good it is"
    )
    return 0


def _explained(manifest: Manifest, profile: Profile, *, views: int) -> dict[str, Any]:
    from device_profiles.loader import load_profiles
    from edge_agent.compatibility import predicted, shortfalls

    found = predicted(manifest, profile, views=views)
    further = predicted(manifest, profile, views=views + 1).seconds - found.seconds
    phases = {"vision": found.vision_s, "prefill": found.prefill_s, "decoding": found.decode_s, "case": found.seconds}
    return {
        "bundle": manifest.name,
        "profile": profile.name,
        "views": views,
        "seconds": {name: round(seconds, 3) for name, seconds in phases.items()},
        "seconds_per_further_view": round(further, 3),
        "max_case_s": profile.inference.max_case_s,
        "memory_bytes": found.memory_bytes,
        "memory_budget_bytes": profile.inference.memory_budget_bytes,
        "fits": {one.name: shortfalls(manifest, one) for one in load_profiles()},
    }


def _named(options: argparse.Namespace, config: Config) -> Profile:
    from device_profiles.loader import ProfileError, load_profile

    try:
        return load_profile(options.name or config.profile)
    except ProfileError as exc:
        raise ConfigError(str(exc)) from exc


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "any"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _print_json(facts: dict[str, Any]) -> None:
    json.dump(facts, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
