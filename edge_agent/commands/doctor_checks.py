"""The checks of ``derm-edge doctor`` that look at the computer around the program. Each says what to do in its one line."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.config import Config
from edge_agent.errors import CameraError, ConfigError, DaemonError, StoreError, StoreFull

if TYPE_CHECKING:
    from edge_agent.supervision.governor import PowerSensor

FONTS = {"Noto Sans": "fonts-noto-core", "Noto Sans CJK SC": "fonts-noto-cjk", "Noto Sans Arabic": "fonts-noto-core"}
BROWSER = Path("/usr/bin/chromium")
BROWSER_RULES = Path("/etc/chromium/policies/managed/derm-edge.json")  # as ``installation.layout`` places it


class Caution(str):
    """Hold the line of something that works and wants a person's care: ``!``, never a tick and never a failure."""

    __slots__ = ()


def check_disk(config: Config) -> str:
    """Look at the room where cases are kept, by the same ladder as the running daemon."""
    from edge_agent.bootstrap import resolve_profile
    from edge_agent.store.space import Stage, allowance, measure
    from edge_agent.store_bootstrap import storage_thresholds

    thresholds = storage_thresholds(config, resolve_profile(config))
    place = next(one for one in (config.state_dir, *config.state_dir.parents) if one.exists())
    free = shutil.disk_usage(place).free
    if place == config.state_dir:
        found = measure(place, thresholds=thresholds)
    else:  # before the first start
        found = allowance(free_bytes=free, used_bytes=0, thresholds=thresholds)
    if not found.may_take_pictures:
        raise StoreFull(
            f"storage is {found.stage}, {free / 1e6:.0f} MB are free below {place}: no new pictures are taken;"
            " delete what is not derm-edge's, or add a disk"
        )
    told = f"{free / 1e9:.1f} GB are free below {place}"
    return Caution(f"{told}; storage is low: make room soon") if found.stage is Stage.LOW else told


def check_rights(config: Config) -> str:
    """Look whether the state folder is private and usable by this account."""
    folder = config.state_dir
    if not folder.is_dir():
        return f"{folder} is made at the first start"
    facts = folder.stat()
    if facts.st_uid != os.geteuid():
        raise ConfigError(f"{folder} belongs to another account: run doctor with --user, or chown it to the service's")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise StoreError(f"other accounts may enter {folder}: type chmod 700 {folder}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"this account cannot write {folder}: chown it to the service's account")
    return f"{folder} is private and writable"


def check_clock(config: Config) -> str:  # noqa: ARG001  (same shape for all)
    """Look whether the clock can be true, and name its zone: deadlines and ages hang on it."""
    from edge_agent.contracts.local_time import PLAIN, zone_name
    from edge_agent.kiosk_bootstrap import SYNCHRONISED, utc_now
    from edge_agent.store.audit import ClockTrust, judge_clock

    now = utc_now()
    trust = judge_clock(now, newest_known=None, is_synchronised=SYNCHRONISED.exists())
    if trust is ClockTrust.WRONG:
        raise ConfigError(
            f"the clock says {PLAIN.date(now)}: set it (timedatectl set-time), and have its battery looked at"
        )
    how = "set by a time server" if trust is ClockTrust.SYNCHRONISED else "plausible; no time server has set it"
    zone = zone_name() or "zone not named"
    return f"{PLAIN.time(now)} ({zone}; another one: timedatectl set-timezone), {how}"


def check_daemon(config: Config) -> str:
    """Ask the running daemon how it fares: safe mode, degraded parts, restarts."""
    from edge_agent.commands.submission import ask
    from edge_agent.ipc import Kind, Message

    answer = ask(config.state_dir, Message(body={"kind": Kind.STATUS}), timeout_s=10.0)
    if answer is None:
        return "not running; systemctl start derm-edge starts it"
    if faults := answer.body.get("faults"):
        raise ConfigError(f"the daemon is in safe mode: {faults[0]}")
    parts: dict[str, Any] = answer.body.get("parts", {})
    for name, part in parts.items():
        if part["is_degraded"]:
            raise DaemonError(f"{name} was lost {part['restarts']} times: {part['fault']}")
    restarts = [f"{name} {part['restarts']}" for name, part in parts.items() if part["restarts"]]
    return f"answers; restarts since its start: {', '.join(restarts) or 'none'}"


def check_power(config: Config, *, sensor: PowerSensor | None = None) -> str:
    """Read heat, battery and mains against the profile's bounds; what this computer does not tell holds no case.

    ``sensor``: None are those of this computer.
    """
    from edge_agent.bootstrap import resolve_profile
    from edge_agent.supervision.governor import Sign, SystemPower, reason, signs

    limits, facts = resolve_profile(config).power, (sensor or SystemPower()).read()
    for strain, sign in signs(facts, limits).items():
        if sign is Sign.STRAINED:
            raise DaemonError(f"new cases are stored and wait: {reason(strain, facts, limits)}")
    heat = "no heat told" if facts.hottest_c is None else f"hottest zone {facts.hottest_c:.0f} degrees"
    charge = "no battery told" if facts.battery_percent is None else f"battery {facts.battery_percent} %"
    mains = {True: "on mains", False: "not on mains", None: "mains not told"}[facts.is_on_mains]
    bounds = f"new cases wait from {limits.thermal_pause_c:.0f} degrees, and at {limits.battery_pause_percent} % without mains"
    return f"{heat}, {charge}, {mains}; {bounds}"


def check_practice(config: Config) -> str:
    """Read the practice file, and name the numbers to call that nobody has set; *This device* says so too."""
    from edge_agent.policy.load import policy_in_force
    from edge_agent.policy.whom_to_call import whom_to_call
    from edge_agent.practice import DEFAULT_FILE, load_practice

    practice = load_practice(config.practice_file)
    chosen = config.practice_file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    told = "no practice file: the strict defaults hold" if chosen is None else f"{chosen} is sound"
    missing = whom_to_call(policy_in_force(config, remember=False).policy, practice).missing
    if not missing:
        return told
    return Caution(f"{told}; not set: {', '.join(missing)}; write them under [contacts] in {chosen or DEFAULT_FILE}")


def check_policy(config: Config) -> str:
    """Look at the policy file as the daemon does: missing, unsigned, refused, or due for a new one. Accepts nothing."""
    from edge_agent.contracts.local_time import day_of
    from edge_agent.kiosk_bootstrap import utc_now
    from edge_agent.policy.load import policy_in_force
    from edge_agent.policy.standing import standing

    return standing(policy_in_force(config, remember=False), today=day_of(utc_now()))


def check_camera(config: Config) -> str:
    """Look whether the camera that is configured is there. Takes no picture: the daemon may be using it."""
    source = config.capture.source
    if source is None:
        return "none is configured ([capture] source)"
    if "://" in source:
        return "an address is configured; the kiosk's page shows whether it answers"
    place = Path(f"/dev/video{source}" if source.isdigit() else source)
    if not place.exists():
        raise CameraError(f"{place} is not there: plug the camera in, or name another one as [capture] source")
    if not os.access(place, os.R_OK):
        raise CameraError(f"this account cannot read {place}: add it to the group video")
    return f"{place} is there"


def check_fonts(config: Config) -> str:  # noqa: ARG001  (same shape for all)
    """Look whether the languages of the page can be drawn."""
    if shutil.which("fc-list") is None:
        raise ConfigError("fontconfig is missing: apt install fontconfig fonts-noto-core fonts-noto-cjk")
    done = subprocess.run(["fc-list", ":", "family"], capture_output=True, text=True, timeout=30, check=False)
    known = {name.strip() for line in done.stdout.splitlines() for name in line.split(",")}
    if missing := [name for name in FONTS if name not in known]:
        packages = " ".join(sorted({FONTS[name] for name in missing}))
        raise ConfigError(f"no font {missing[0]}: apt install {packages}")
    return f"{len(FONTS)} families for Latin, Chinese and Arabic"


def check_browser(config: Config) -> str:
    """Look whether the kiosk session has its browser, and whether that may open only the kiosk's own page."""
    if not config.kiosk.is_enabled:
        return "not needed: [kiosk] is_enabled is false"
    if not BROWSER.exists():
        raise ConfigError("Chromium is missing: apt install chromium")
    rules = "opens the own page only" if BROWSER_RULES.exists() else f"may open anything: no {BROWSER_RULES}"
    return f"{BROWSER}, {rules}"
