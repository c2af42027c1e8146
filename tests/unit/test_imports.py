"""What a process loads: the device never loads the workstation's libraries, pure modules load no vendor."""

from __future__ import annotations

import subprocess
import sys

import pytest

VENDORS = ("openvino", "cv2", "paho", "sqlcipher3", "llguidance", "tokenizers")
FORBIDDEN = ("torch", "nncf", "optimum", "transformers", "peft", "calibration", "fleet")


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "edge_agent.errors",
        "edge_agent.config",
        "edge_agent.ipc",
        "edge_agent.contracts.manifest",
        "edge_agent.contracts.intake",
        "edge_agent.contracts.side_branch",
        "edge_agent.contracts.text_contract",
        "edge_agent.policy.rules",
        "edge_agent.agents.text.reader",
        "edge_agent.agents.prompts",
        "device_profiles.loader",
    ],
)
def test_pure_modules_load_no_vendor(module: str) -> None:
    """Rules and contracts can be read and tested without engine, camera, broker or store."""
    assert not loaded_by(f"import {module}") & {*VENDORS, *FORBIDDEN}


def test_the_supervisor_loads_no_engine() -> None:
    """Whatever OpenVINO does, the daemon's process does not have it."""
    loaded = loaded_by(
        "import edge_agent.daemon_bootstrap, edge_agent.daemon, edge_agent.commands.daemon, edge_agent.kiosk.server"
    )
    assert not loaded & {"openvino", "llguidance", "tokenizers", *FORBIDDEN}


def test_the_camera_child_loads_no_forms_and_no_reader_of_files() -> None:
    """It holds pictures, numpy and OpenCV: what a case is made of would take 20 MB more on every kiosk."""
    loaded = loaded_by("import edge_agent.capture.live_child")
    assert "cv2" in loaded
    assert not loaded & {"pydantic", "PIL", "device_profiles", "structlog", "openvino"}


def test_an_idle_daemon_holds_no_opencv() -> None:
    """It comes with the first picture that is judged."""
    build = (
        "import tempfile, threading; from pathlib import Path; from edge_agent.config import Config;"
        " from edge_agent.daemon_bootstrap import open_daemon; from edge_agent.supervision.safe_mode import Wish;"
        " import edge_agent.kiosk.server; place = tempfile.TemporaryDirectory();"
        " held = open_daemon(Wish(Config(state_dir=Path(place.name) / 's')), stop=threading.Event());"
        " held.__enter__(); held.__exit__(None, None, None); place.cleanup()"
    )
    loaded = loaded_by(build)
    assert "uvicorn" in loaded
    assert not loaded & {"cv2", "openvino"}


def test_the_command_line_starts_light() -> None:
    """--help needs neither engine nor store nor camera."""
    assert not loaded_by("import edge_agent.cli") & {*VENDORS, *FORBIDDEN}


def test_the_inference_child_loads_no_torch() -> None:
    """The only process with OpenVINO has nothing of the workstation."""
    loaded = loaded_by("import edge_agent.inference.worker, edge_agent.inference.engine, edge_agent.agents.pipeline")
    assert "openvino" in loaded
    assert not loaded & set(FORBIDDEN)
