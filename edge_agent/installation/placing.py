"""Put a slot's system files where Debian looks for them, and the default settings where there are none yet."""

from __future__ import annotations

import json
from pathlib import Path

from edge_agent.errors import UpdateError
from edge_agent.installation.layout import Layout
from edge_agent.installation.slots import link
from edge_agent.installation.writing import open_folder, remove_file, write_file

SYSTEM_FOLDER = "system"
DEFAULTS_FOLDER = "defaults"
STATE_DIR_LINE, PROFILE_LINE, POLICY_KEYS_LINE = "@STATE_DIR@", "@PROFILE@", "@POLICY_KEYS_DIR@"


def place_system_files(layout: Layout, slot: Path, *, before: Path | None) -> None:
    """Write the slot's files to their places, and remove those of the slot before that this one does not have.

    Raises:
        UpdateError: a place cannot be written.
    """
    wanted = _files(slot)
    try:
        for path in wanted:
            place = layout.system_place(path.name)
            is_program = path.read_bytes().startswith(b"#!")
            write_file(place, path.read_bytes(), mode=0o755 if is_program else 0o644)
        for name in {path.name for path in _files(before)} - {path.name for path in wanted}:
            remove_file(layout.system_place(name))
        open_folder(layout.command.parent)
    except OSError as exc:
        raise UpdateError(f"cannot put the system files in place ({exc}); run as root, check the disk") from exc
    link(layout.command, layout.current / "venv" / "bin" / "derm-edge")


def remove_system_files(layout: Layout, slot: Path) -> None:
    """Take a slot's files away again: the way back from a first installation that failed."""
    layout.command.unlink(missing_ok=True)
    for path in _files(slot):
        remove_file(layout.system_place(path.name))


def place_settings(layout: Layout, slot: Path, *, profile: str) -> list[str]:
    """Write the default settings that are not there yet; what an operator wrote is never touched.

    The folder of the policy authority's keys is made empty: whoever releases programs does not say who makes the rules.

    Returns:
        The files that were written, in name order.

    Raises:
        UpdateError: one cannot be written.
    """
    written = []
    values = {STATE_DIR_LINE: str(layout.state), PROFILE_LINE: profile, POLICY_KEYS_LINE: str(layout.policy_keys)}
    try:
        open_folder(layout.policy_keys)
        for path in sorted((slot / DEFAULTS_FOLDER).glob("*")):
            target = layout.settings / path.name
            if target.exists():
                continue
            text = path.read_text("utf-8")
            for line, value in values.items():
                text = text.replace(line, json.dumps(value))  # a JSON string is a TOML basic string too
            write_file(target, text.encode())
            written.append(str(target))
    except OSError as exc:
        raise UpdateError(f"cannot write the default settings ({exc}); run as root, check the disk") from exc
    return written


def _files(slot: Path | None) -> list[Path]:
    return [] if slot is None else sorted(path for path in (slot / SYSTEM_FOLDER).glob("*") if path.suffix != ".md")
