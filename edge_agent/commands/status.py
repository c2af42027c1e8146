"""``derm-edge status``: how many records wait, how many the hub holds, which processes run, which policy holds."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_agent.config import Config
from edge_agent.errors import EdgeError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("status", help="show queued, sent, stored and rejected records")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Print the counts; opens the store only when no daemon runs.

    Raises:
        EdgeError: the daemon or the store cannot answer.
    """
    status = read_status(config)
    if options.json:
        json.dump(status, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    daemon = status["daemon"]
    print(f"daemon   {'running, process ' + str(daemon['pid']) if daemon else 'not running'}")
    if daemon:
        for line in _troubles(status):
            print(line)
        print(f"engine   {daemon['child_state']}, process {daemon['child_pid']}, on {status['device']}")
        print(f"hub      {'connected' if status['hub_connected'] else 'not connected'}")
    print(f"policy   {status['policy']}")
    if status["second_device"]:
        print(f"device   {status['second_device']}")
    print("cases    " + "  ".join(f"{name} {count}" for name, count in status["cases"].items()))
    print(f"pending  {status['pending']}")
    print("records  " + "  ".join(f"{name} {count}" for name, count in status["outbox"].items()))
    return 0


def _troubles(status: dict[str, Any]) -> list[str]:
    """Return a line for every fault of the settings, for a lack of room, and for every part that was lost too often."""
    faults = [f"mend     {line}" for line in status.get("faults", [])]
    parts: dict[str, Any] = status.get("parts", {})
    degraded = [
        f"degraded {name}: {part['fault']}; {part['restarts']} restarts, tried again in {part['again_in_s']:.0f} s"
        for name, part in parts.items()
        if part["is_degraded"]
    ]
    stage = status.get("storage")
    room = [f"storage  {stage}: derm-edge doctor says what to do"] if stage not in (None, "ok") else []
    return (["safe mode: cases are stored and wait"] if faults else []) + faults + room + degraded


def read_status(config: Config) -> dict[str, Any]:
    """Read the status from the running daemon, else from the store; ``daemon`` is None without one."""
    from edge_agent import bootstrap
    from edge_agent.commands.submission import ask
    from edge_agent.ipc import Kind, Message

    answer = ask(config.state_dir, Message(body={"kind": Kind.STATUS}), timeout_s=10.0)
    second, policy = _second_device(config), _policy(config, is_running=answer is not None)
    if answer is not None:
        told = {key: value for key, value in answer.body.items() if key != "kind"}
        return {**told, "policy": policy, "second_device": second}
    with bootstrap.open_store(config) as store:
        return {
            "daemon": None,
            "device": None,
            "policy": policy,
            "second_device": second,
            "bundle_dir": str(config.bundle_dir),
            "hub_connected": False,
            "outbox": asdict(store.outbox.status()),
            "cases": {str(state): count for state, count in store.cases.counts().items()},
            "pending": len(store.cases.pending()),
        }


def _policy(config: Config, *, is_running: bool) -> str:
    """Return in one line which policy holds, or what to mend about its file; the words are doctor's. Accepts nothing."""
    from edge_agent.kiosk_bootstrap import utc_now
    from edge_agent.policy.load import awaits_restart, policy_in_force
    from edge_agent.policy.standing import standing

    found = policy_in_force(config, remember=False)
    try:
        told = standing(found, today=utc_now().date())
    except EdgeError as exc:
        return f"mend: {exc}"
    later = is_running and awaits_restart(found, config)
    return f"{told}; it holds once the service is started again: systemctl restart derm-edge" if later else told


def _second_device(config: Config) -> str | None:
    """Return the verdict on the second device in one line, as it was last written; None where there is none."""
    from edge_agent.device_bootstrap import open_verdicts

    held = open_verdicts(config).read()
    return None if held is None else f"{held.candidate} {held.standing}" + "".join(f"; {one}" for one in held.reasons)
