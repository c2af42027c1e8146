"""``derm-edge case`` on the reference bundle, alone: its output, its size in memory, real photographs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.simulators.kiosk import DEMO, ROOT, Kiosk, wait_until

SCHEMA = json.loads((ROOT / "edge_agent/contracts/schemas/case_report.schema.json").read_text(encoding="utf-8"))
MEASURE = """
import sys
from pathlib import Path
from edge_agent.cli import run
code = run(sys.argv[1:])
tops = sorted({name.partition('.')[0] for name in sys.modules})
print('MEASURED', code, Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0], *tops, file=sys.stderr)
"""
MAX_RSS_KB = 350_000
CARCINOMAS = {"BCC", "SCC"}


@pytest.fixture
def kiosk(tmp_path: Path) -> Iterator[Kiosk]:
    """A device without a daemon."""
    with Kiosk(tmp_path) as device:
        yield device


def check_report(text: str) -> dict[str, Any]:
    """Return the report after comparing it with the published schema."""
    report = json.loads(text)
    jsonschema.validate(report, SCHEMA)
    return dict(report)


def test_json_is_all_there_is_on_stdout(kiosk: Kiosk) -> None:
    """stdout is one report that fits the published schema; progress went to stderr."""
    done = kiosk.run("case", "--folder", str(DEMO / "pictures"), "--intake", str(DEMO / "intake.json"), "--json")
    assert done.returncode == 0, done.stderr
    report = check_report(done.stdout)
    assert len(report["recognition"]) == len(list((DEMO / "pictures").glob("*.png")))
    assert "recognition" in done.stderr


def test_the_demo_case_reaches_all_three_agents(kiosk: Kiosk) -> None:
    """The bundled pictures are in scope: Rec, Rep and Reason all spoke."""
    done = kiosk.run("case", "--folder", str(DEMO / "pictures"), "--intake", str(DEMO / "intake.json"), "--json")
    report = check_report(done.stdout)
    assert report["representation"] is not None
    assert report["reasoning"] is not None


def test_text_and_page_in_chinese(kiosk: Kiosk, tmp_path: Path) -> None:
    """The report for a person comes in the asked language, on the terminal and as one file."""
    page = tmp_path / "report.html"
    done = kiosk.run("case", "--folder", str(DEMO / "pictures"), "--language", "zh", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert re.search(r"[\u4e00-\u9fff]{4}", done.stdout)
    html = page.read_text(encoding="utf-8")
    assert 'lang="zh' in html
    assert "<script src" not in html


def test_a_form_alone_is_a_case(kiosk: Kiosk, tmp_path: Path) -> None:
    """Care without a photograph (policy R1): the rules speak, the person's copy says nothing of a private rule."""
    form, copy = tmp_path / "form.json", tmp_path / "copy.html"
    form.write_text(json.dumps({"danger_signs": {"disclosure_of_abuse": "yes", "widespread_pustules": "no"}}))
    done = kiosk.run("case", "--intake", str(form), "--person", str(copy), "--json")
    assert done.returncode == 0, done.stderr
    report = check_report(done.stdout)
    assert [flag["id"] for flag in report["red_flags"]] == ["RF-25"]
    assert "no_pictures" in report["notices"]
    assert "RF-25" not in copy.read_text(encoding="utf-8")


def test_memory_and_modules(kiosk: Kiosk) -> None:
    """One case stays within 350 MB, without torch, nncf or transformers in its process."""
    words = ["--config", str(kiosk.config), "case", "--folder", str(DEMO / "pictures"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    code, rss_kb, *modules = done.stderr.rpartition("MEASURED ")[2].split()
    assert code == "0"
    assert "openvino" in modules
    assert not {"torch", "nncf", "transformers", "optimum", "peft", "calibration", "fleet"} & set(modules)
    assert int(rss_kb) <= MAX_RSS_KB


def test_danger_signs_are_told_when_the_engine_fails(kiosk: Kiosk, tmp_path: Path) -> None:
    """A child that is too slow for its limit: the exit code says so, and the report still holds rules and triage."""
    kiosk.config.write_text(kiosk.config.read_text() + "[inference]\njob_timeout_s = 0.001\n")
    form = tmp_path / "form.json"
    form.write_text(json.dumps({"danger_signs": {"breathing_difficulty": "yes", "lip_tongue_face_swelling": "yes"}}))
    kiosk.start()
    done = kiosk.run("case", "--folder", str(DEMO / "pictures"), "--intake", str(form), "--json")
    assert kiosk.status()["pending"] == 0  # reported without the model: it does not stand in the next one's way
    assert kiosk.stop() == 0
    assert done.returncode == 30
    report = check_report(done.stdout)
    assert report["recognition"] == []
    assert report["triage"]["final"] == "T1_emergency"


def test_a_case_killed_while_it_loads_is_resumed_by_the_daemon(kiosk: Kiosk) -> None:
    """SIGKILL after it was stored: nothing is lost, and the next start of the daemon brings it to its report."""
    process = kiosk.begin_case()
    wait_until(lambda: "loading the bundle" in kiosk.case_notes() or process.poll() is not None, what="not stored")
    process.kill()
    process.communicate()
    assert kiosk.status()["pending"] == 1
    kiosk.start()
    wait_until(lambda: kiosk.status()["pending"] == 0, what="not resumed")
    assert kiosk.stop() == 0
    assert "case.reported" in kiosk.log()


def test_errors_are_one_line_with_the_class_code(kiosk: Kiosk, tmp_path: Path) -> None:
    """A file that is no picture, a wrong form and a foreign bundle each end with their own code and no traceback."""
    (tmp_path / "no.png").write_bytes(b"no picture")
    (tmp_path / "form.json").write_text('{"age_yeers": 4}')
    picture = ("--folder", str(DEMO / "pictures"))
    for words, code in [
        (("--image", str(tmp_path / "no.png")), 21),
        ((), 21),
        ((*picture, "--intake", str(tmp_path / "form.json")), 22),
        ((*picture, "--bundle", str(tmp_path)), 73),
    ]:
        done = kiosk.run("case", *words)
        assert done.returncode == code, done.stderr
        assert (done.stdout == "") is (code != 73)  # a bundle that is refused leaves the rules' part of the report
        assert "Traceback" not in done.stderr
        assert done.stderr.rstrip().splitlines()[-1].startswith("derm-edge: ")


def test_doctor_finds_the_demo_device_well_but_for_the_broker(kiosk: Kiosk) -> None:
    """Bundle, canary and store pass on the shipped bundle; the unreachable broker is named and sets the code."""
    done = kiosk.run("doctor")
    assert re.search(r"^✓ bundle .*development key.*not for clinical use", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^✓ canary", done.stdout, re.MULTILINE)
    assert re.search(r"^✓ store", done.stdout, re.MULTILINE)
    assert re.search(r"^✗ broker .*does not answer", done.stdout, re.MULTILINE)
    assert done.returncode == 60


def test_a_full_disk_behind_stderr_costs_no_report(kiosk: Kiosk) -> None:
    """Progress that cannot be written is lost; the report on stdout is whole."""
    words = [
        "--config",
        str(kiosk.config),
        "case",
        "--image",
        str(ROOT / "demo" / "pictures" / "2-close-up.png"),
        "--json",
    ]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edge_agent", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert done.returncode == 0
    jsonschema.validate(json.loads(done.stdout), SCHEMA)
