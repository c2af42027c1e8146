"""The scope decision on pictures that nobody drew, and at the same thresholds on drawn ones."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from edge_agent.capture.stills import read_picture
from edge_agent.casework import Runner
from edge_agent.contracts.case import Case, views_of
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.keys import shipped_key_folder
from edge_agent.engine_bootstrap import EngineWish, open_pipeline
from tests.simulators.cases import CREATED
from tests.simulators.kiosk import ROOT, Kiosk
from tests.simulators.reference import BUNDLE, device_case, in_scope_cases

PHOTOS = os.environ.get("DERM_REAL_PHOTOS")
needs_photos = pytest.mark.skipif(PHOTOS is None, reason="DERM_REAL_PHOTOS names no folder of photographs")
SCHEMA = json.loads((ROOT / "edge_agent/contracts/schemas/case_report.schema.json").read_text(encoding="utf-8"))
CANCERS = {"BCC", "SCC", "MEL"}
MAX_RSS_KB = 350_000
MEASURE = """
import sys
from pathlib import Path
from edge_agent.cli import run
code = run(sys.argv[1:])
tops = sorted({name.partition('.')[0] for name in sys.modules})
# VmHWM, since ru_maxrss starts at the peak of the process that forked this one.
peak = Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]
print('MEASURED', code, peak, *tops, file=sys.stderr)
"""
FOREIGN = {"torch", "nncf", "transformers", "optimum", "peft", "calibration", "fleet"}


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """The shipped bundle, loaded once, with the device's default device and thread count."""
    with open_pipeline(EngineWish(BUNDLE, shipped_key_folder(), "CPU", 2)) as loaded:
        yield loaded.runner


def photographs() -> dict[str, str]:
    """Return diagnosis by file name."""
    with (Path(str(PHOTOS)) / "metadata.csv").open(encoding="utf-8") as stream:
        return {row["img_id"]: row["diagnostic"] for row in csv.DictReader(stream)}


@needs_photos
def test_no_photograph_is_taken_for_psoriasis(runner: Runner) -> None:
    """30 photographs, none psoriasis: at least 29 end without a reading, the melanoma and 11 carcinomas among them."""
    taken = []
    diagnosis = photographs()
    assert len(diagnosis) == 30
    for name in diagnosis:
        views = views_of([read_picture(Path(str(PHOTOS)) / "images" / name)], intake=Intake())
        case = Case(case_id=name, views=views, intake=Intake(), consent=None, created=CREATED)
        report = runner.run(case)
        jsonschema.validate(report, SCHEMA)
        if report["scope"]["decision"] == "in_scope":
            taken.append(name)
        else:
            assert report["reasoning"] is None
    assert sum(found in CANCERS for found in diagnosis.values()) == 12
    assert [name for name in taken if diagnosis[name] in CANCERS] == []
    assert len(taken) <= 1, taken


@pytest.mark.long
def test_drawn_cases_are_found_in_scope_at_the_same_thresholds(runner: Runner) -> None:
    """60 drawn psoriasis-like cases: at least 54 are in scope, so that refusing everything does not pass."""
    refused = []
    for drawn in in_scope_cases(60):
        report = runner.run(device_case(drawn))
        jsonschema.validate(report, SCHEMA)
        if report["scope"]["decision"] != "in_scope":
            refused.append((drawn.case_id, drawn.tone, report["scope"]["decision"]))
    assert len(refused) <= 6, refused


@pytest.mark.parametrize("folder", ["drawn", pytest.param("photographs", marks=needs_photos)])
def test_the_largest_picture_fits_into_memory(tmp_path: Path, folder: str) -> None:
    """A case on a full-size picture: valid JSON, at most 350 MB, no library of the workstation loaded."""
    pictures = ROOT / "demo" / "pictures" if folder == "drawn" else Path(str(PHOTOS)) / "images"
    largest = max(pictures.iterdir(), key=lambda path: path.stat().st_size)
    with Kiosk(tmp_path) as kiosk:
        words = ["--config", str(kiosk.config), "case", "--image", str(largest), "--bundle", str(BUNDLE), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        )
    code, rss_kb, *modules = done.stderr.rpartition("MEASURED ")[2].split()
    assert code == "0"
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    assert "openvino" in modules
    assert FOREIGN & set(modules) == set()
    assert int(rss_kb) <= MAX_RSS_KB
