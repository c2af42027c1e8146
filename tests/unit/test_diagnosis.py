"""The archive for a technician: useful, and empty of patients. Identifiers are planted wherever it could pick them up."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from edge_agent.bootstrap import open_store
from edge_agent.cli import run
from edge_agent.config import load_config
from edge_agent.errors import ConfigError
from edge_agent.supervision.diagnosis import Mask
from edge_agent.supervision.logs import FILE_NAME, FOLDER
from tests.simulators.cases import case, consent

NAME = "Zhang San"
ALLERGY = "penicillin since childhood"
REFERENCE = "bed-17"
CASE_ID = "0123456789abcdef"
SECRET = "hunter2"  # noqa: S105  (planted)


def _archive(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "config.toml"
    config.write_text(
        f'state_dir = "{tmp_path}/s"\ndevice_id = "{"ab" * 16}"\n[broker]\nurl = "mqtt://post:{SECRET}@127.0.0.1:9"\n'
    )
    with open_store(load_config(config)) as store:
        store.cases.add(case(case_id=CASE_ID, agreed=consent()), language="en")
    folder = tmp_path / "s" / FOLDER
    folder.mkdir()
    lines = [
        {"event": "case.reported", "case_id": CASE_ID, "level": "info"},
        {"event": "refused", "message": f"the record of case {CASE_ID} cannot be read", "note": NAME},
        {"event": "planted", "allergy": ALLERGY, "local_reference": REFERENCE},
        {"event": "case.resumed", "case_id": REFERENCE},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + f"a traceback about {NAME}\n"
    (folder / FILE_NAME).write_text(text)
    out = tmp_path / "d.zip"
    assert run(["--config", str(config), "diagnose", "--out", str(out)]) == 0
    with zipfile.ZipFile(out) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_no_planted_identifier_is_in_the_archive(tmp_path: Path) -> None:
    """Names, allergy, local reference, case ids, the device's id and the broker's password: none in any file."""
    files = _archive(tmp_path)
    everything = "".join(files.values())
    for planted in (NAME, ALLERGY, REFERENCE, CASE_ID, SECRET, "ab" * 16):
        assert planted not in everything, planted
    key = (tmp_path / "s" / "store.key").read_text().strip()
    assert key not in everything


def test_it_says_what_a_technician_needs(tmp_path: Path) -> None:
    """Status, versions, settings, the doctor's lines, the profile, and the log's lines with their order kept."""
    files = _archive(tmp_path)
    assert set(files) == {"status.json", "versions.json", "config.json", "doctor.txt", "profile.json", "log.jsonl"}
    assert json.loads(files["status.json"])["pending"] == 1
    assert json.loads(files["versions.json"])["openvino"]
    assert "broker" in files["doctor.txt"]
    events = [json.loads(line)["event"] for line in files["log.jsonl"].splitlines()]
    assert events == ["case.reported", "refused", "planted", "case.resumed"]


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stick that is not plugged in must not become a folder of the device's own disk."""
    config, folder = tmp_path / "config.toml", tmp_path / "stick"
    config.write_text(f'state_dir = "{tmp_path}/s"\n')
    assert run(["--config", str(config), "diagnose", "--out", str(folder / "d.zip")]) == ConfigError.exit_code
    assert f"there is no folder {folder}" in " ".join(capsys.readouterr().err.split())
    assert not folder.exists()


def test_one_case_keeps_one_word() -> None:
    """Lines about the same case can still be told together; the word says nothing outside this archive."""
    mask = Mask()
    lines = mask.lines([json.dumps({"event": "a", "case_id": one}) for one in ("c" * 16, "d" * 16, "c" * 16)])
    first, second, third = (json.loads(line)["case_id"] for line in lines)
    assert first == third != second
