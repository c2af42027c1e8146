"""One archive that says what a technician far away needs, and nothing about any patient.

What goes in is listed here, file by file: nothing is collected by pattern. The store, pictures, reports, forms and keys
never go in; log lines lose every case id; the configuration loses addresses' passwords and the device's own id.
"""

from __future__ import annotations

import io
import json
import platform
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from edge_agent.config import Config
from edge_agent.errors import ConfigError, StoreError
from edge_agent.store.durable import replace_file
from edge_agent.supervision.logs import FILE_NAME, FOLDER

LOG_BYTES: Final = 2_000_000
LIBRARIES: Final = ("derm-edge", "openvino", "numpy", "opencv-python-headless", "fastapi", "sqlcipher3", "paho-mqtt")
# Fields of a log line that hold only words of this program, numbers and device facts.
LOG_FIELDS: Final = frozenset(
    {
        "event", "level", "timestamp", "part", "state", "error", "fault", "faults", "retryable", "again_in_s", "exception",
        "places", "where", "exit_status", "before", "after", "why", "is_without_model", "case_id", "message", "code",
        "waited_s", "rc",
    }
)  # fmt: skip
_CASE_ID: Final = re.compile(r"\b[0-9a-f]{16,64}\b")
_PASSWORD: Final = re.compile(r"//[^/@\s\"']*@")


def write_diagnosis(
    path: Path, config: Config, *, status: Mapping[str, Any], doctor: Sequence[str], profile: Mapping[str, Any]
) -> tuple[str, ...]:
    """Write the archive, whole or not at all, and return the names of the files in it.

    Args:
        path: of the ZIP file; replaced where there is one.
        config: whose log files are read; masked.
        status: as ``derm-edge status --json`` gives it.
        doctor: the lines of ``derm-edge doctor``.
        profile: facts of the device profile.

    Raises:
        ConfigError: it cannot be written.
    """
    mask = Mask()
    files = {
        "status.json": mask.text(_json(status)),
        "versions.json": _json(_versions()),
        "config.json": mask.text(_json(_masked(config))),
        "doctor.txt": mask.text("\n".join(doctor) + "\n"),
        "profile.json": _json(profile),
        "log.jsonl": "".join(f"{line}\n" for line in mask.lines(_log_lines(config.state_dir / FOLDER))),
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    try:
        replace_file(path.resolve(), held.getvalue())
    except (OSError, StoreError) as exc:
        raise ConfigError(f"cannot write {path} ({exc}); name another file with --out") from exc
    return tuple(files)


class Mask:
    """Replace what may point at a case by a word of this archive's own: the same id, the same word."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return a text without passwords and without anything that looks like an id of a case, record or device."""
        for known, word in self._words.items():
            text = text.replace(known, word)
        return _CASE_ID.sub(lambda found: self._word(found[0]), _PASSWORD.sub("//***@", text))

    def lines(self, lines: Iterable[str]) -> list[str]:
        """Return log lines with known fields only, each case id replaced; a line that is no JSON object is dropped."""
        events: list[dict[str, Any]] = []
        for line in lines:
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    events.append({key: value for key, value in event.items() if key in LOG_FIELDS})
        for event in events:
            if "case_id" in event:
                event["case_id"] = self._word(str(event["case_id"]))
        return [self.text(json.dumps(event, ensure_ascii=False)) for event in events]

    def _word(self, found: str) -> str:
        return self._words.setdefault(found, f"id-{len(self._words) + 1}")


def _log_lines(folder: Path) -> list[str]:
    """Return the newest lines, oldest first, as many as ``LOG_BYTES`` hold."""
    lines: list[str] = []
    left = LOG_BYTES
    for path in sorted(folder.glob(f"{FILE_NAME}*"), key=_age):
        if left <= 0:
            break
        with suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")[-left:]
            left -= len(text)
            lines = text.splitlines() + lines
    return lines


def _age(path: Path) -> int:
    number = path.name.removeprefix(FILE_NAME).lstrip(".")
    return int(number) if number.isdigit() else 0


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kernel": platform.release(), "machine": platform.machine()}
    with suppress(OSError):
        found["system"] = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _masked(config: Config) -> dict[str, Any]:
    plain: dict[str, Any] = config.model_dump(mode="json")
    return plain | {"device_id": None if config.device_id is None else "***"}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n"
