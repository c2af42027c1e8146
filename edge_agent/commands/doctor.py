"""``derm-edge doctor``: check everything that a working device needs, one line each, with what to do."""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.commands import doctor_checks
from edge_agent.commands.place import placed
from edge_agent.config import Config
from edge_agent.errors import ConfigError, EdgeError, InferenceError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen

Check = Callable[[Config], str]
CONNECT_TIMEOUT_S = 5.0
_NOBODY = "0" * 32  # the check says no name to the broker


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("doctor", help="check everything that a working device needs, and say what to do")
    parser.add_argument("--user", help="check with the rights of this account (as root): the service's is derm-edge")
    parser.add_argument("--quick", action="store_true", help="leave out what loads the engine")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Run every check, also after one has failed.

    Returns:
        0 when all is well, else the exit code of the first failed check's error class.
    """
    if options.user:
        become(options.user)
    failures: dict[str, int] = {}
    for name, check in checks_of(is_quick=options.quick):
        if name in {"device", "canary"} and "bundle" in failures:
            print(f"– {name:<8} not checked: it needs a trusted bundle")
            continue
        with screen.progress(f"checking {name}"):
            code, line = checked(name, check, config, path=options.config)
        print(line)
        if code:
            failures[name] = code
    return next(iter(failures.values()), 0)


def checks_of(*, is_quick: bool) -> list[tuple[str, Check]]:
    """Return every check with its name, in the order in which they are done.

    Args:
        is_quick: without those that load the engine.
    """
    slow: list[tuple[str, Check]] = [] if is_quick else [("canary", _check_canary)]
    return [
        ("profile", _check_profile),
        ("bundle", _check_bundle),
        ("device", _check_device),
        *slow,
        ("store", _check_store),
        ("broker", _check_broker),
        ("disk", doctor_checks.check_disk),
        ("rights", doctor_checks.check_rights),
        ("power", doctor_checks.check_power),
        ("clock", doctor_checks.check_clock),
        ("daemon", doctor_checks.check_daemon),
        ("practice", doctor_checks.check_practice),
        ("policy", doctor_checks.check_policy),
        ("camera", doctor_checks.check_camera),
        ("fonts", doctor_checks.check_fonts),
        ("browser", doctor_checks.check_browser),
    ]


def checked(name: str, check: Check, config: Config, *, path: Path | None = None) -> tuple[int, str]:
    """Do one check and return the exit code of its failure, 0 without one, and its line.

    The line begins with ✓, with ! for what works and wants care, or with ✗. ``path``: of the configuration that was named.
    """
    try:
        line = check(config)
    except EdgeError as exc:
        return exc.exit_code, f"✗ {name:<8} {placed(exc, path)}"
    return 0, f"{'!' if isinstance(line, doctor_checks.Caution) else '✓'} {name:<8} {line}"


def become(name: str) -> None:
    """Take the rights of another account, for the rest of this process.

    Raises:
        ConfigError: there is no such account, or this one may not.
    """
    try:
        account = pwd.getpwnam(name)
        os.initgroups(name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except KeyError as exc:
        raise ConfigError(f"there is no account {name} on this computer; name the service's with --user") from exc
    except PermissionError as exc:
        raise ConfigError(f"only root can check as {name}: type sudo derm-edge doctor --user {name}") from exc


def _check_profile(config: Config) -> str:
    from device_profiles.detection import mismatches
    from device_profiles.host import read_host
    from edge_agent.bootstrap import resolve_profile
    from edge_agent.compatibility import check_this_processor

    profile = resolve_profile(config)
    check_this_processor()
    host = read_host(config.state_dir)
    if short := mismatches(profile, host):
        raise ConfigError(
            f"this computer does not fit profile {profile.name}: {'; '.join(short)}; derm-edge profile detect names its own"
        )
    threads = config.inference.threads
    if threads is not None and threads > host.cpu_count:
        raise ConfigError(
            f"[inference] threads = {threads}, and this computer has {host.cpu_count} usable cores: write at most so many,"
            " or leave it out",
            key="inference.threads",
        )
    return (
        f"{profile.name}: {host.cpu_count} cores, {host.memory_total_bytes / 1e9:.1f} GB memory, "
        f"{host.disk_free_bytes / 1e9:.1f} GB free disk"
    )


def _check_bundle(config: Config) -> str:
    from device_profiles.cost import sized
    from edge_agent.bootstrap import engine_wish, resolve_profile
    from edge_agent.compatibility import predicted
    from edge_agent.engine_bootstrap import verify_bundle

    profile = resolve_profile(config)
    bundle = verify_bundle(engine_wish(config), profile=profile)
    manifest = bundle.manifest
    use = "" if manifest.clinical_use else "; not for clinical use"
    cost = predicted(manifest, profile)
    wait = f"; predicted {cost.seconds:.0f} s per case, {sized(cost.memory_bytes)} of memory"
    return f"{manifest.name} {manifest.version}, signed by the {bundle.signed_by}{use}{wait}"


def _check_device(config: Config) -> str:
    from edge_agent.bootstrap import engine_wish, resolve_profile
    from edge_agent.device_bootstrap import choose
    from edge_agent.engine_bootstrap import verify_bundle

    profile = resolve_profile(config)
    only = f"CPU, the only one of profile {profile.name}"
    if len(profile.inference.device_order) == 1:
        return only
    choice = choose(config, verify_bundle(engine_wish(config)).manifest)
    return only if choice is None else choice.line


def _check_canary(config: Config) -> str:
    from edge_agent.bootstrap import engine_wish
    from edge_agent.engine_bootstrap import verify_bundle
    from edge_agent.inference.engine import Engine

    wish = engine_wish(config)
    with Engine(verify_bundle(wish), settings=wish.settings()) as engine:
        report = engine.run_canary()
    if failures := report.failures():
        raise InferenceError(f"the engine does not answer as the bundle expects ({failures[0]}); install it again")
    return f"{report.golden_equal} of {report.golden_total} golden decisions are equal"


def _check_store(config: Config) -> str:
    from edge_agent.commands.status import read_status

    status = read_status(config)
    waiting = status["outbox"]["queued"] + status["outbox"]["sent"]
    return f"{config.state_dir}: {status['pending']} cases pending, {waiting} records waiting for the hub"


def _check_broker(config: Config) -> str:
    from edge_agent.bootstrap import uplink_settings
    from edge_agent.uplink.tls import reach

    settings = uplink_settings(config, device=_NOBODY)
    reach(settings, timeout_s=CONNECT_TIMEOUT_S)
    how = "" if settings.ca_file is None else f", and {settings.ca_file} vouches for it"
    return f"{config.broker.url} answers{how}"
