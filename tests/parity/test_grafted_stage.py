"""The stage that looks at activations runs in a process of its own: fixed threads, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibration.grafted.stage import AdapterFolder, StageRequest, run_in_child
from calibration.recipe import Recipe, load_recipe
from edge_agent.errors import CompressionError
from tests.parity.conftest import BundleOf
from tests.parity.recipe_bench import make_cases, write_cases

ROOT = Path(__file__).resolve().parents[2]


def request_of(bundle_of: BundleOf, folder: Path, *, recipe: Recipe, name: str = "out") -> StageRequest:
    """Return a request on one case, with Reasoning's adapter once more as a later one."""
    bundle, built = bundle_of("f32", "f32"), bundle_of("f32", "int8")
    scratch = folder / f"{name}-scratch"
    scratch.mkdir()
    cases = folder / "cases"
    return StageRequest(
        recipe=recipe,
        manifest=bundle.manifest,
        cases=cases if cases.is_dir() else write_cases(make_cases(1), cases),
        built=AdapterFolder(folder=built.path, adapters=built.manifest.adapters),
        later=AdapterFolder(folder=bundle.path, adapters=bundle.manifest.adapters[-1:]),
        later_built=AdapterFolder(folder=built.path, adapters=built.manifest.adapters[-1:]),
        target=folder / f"{name}.xml",
        scratch=scratch,
    )


def changed(recipe: Recipe, **language_model: object) -> Recipe:
    """Return a recipe with another language-model section, not validated."""
    return recipe.model_copy(update={"language_model": recipe.language_model.model_copy(update=language_model)})


def test_gptq_gives_the_same_bytes_whatever_the_surroundings(
    bundle_of: BundleOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, started under other thread settings: the recipe's number of threads decides."""
    found = []
    for name, threads in (("first", "1"), ("second", "2")):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        request = request_of(bundle_of, tmp_path, recipe=load_recipe("int4-gptq"), name=name)
        result = run_in_child(request)
        found.append((request.target.read_bytes(), request.target.with_suffix(".bin").read_bytes(), result))
        assert list(request.scratch.iterdir()) == []
    assert found[0] == found[1]


def test_the_record_tells_counts_and_errors_and_nothing_of_a_case(bundle_of: BundleOf, tmp_path: Path) -> None:
    """Names, numbers and the folder's name: no list of values that could be an embedding or a token."""
    result = run_in_child(request_of(bundle_of, tmp_path, recipe=load_recipe("int4-se")))
    record = result.record
    assert record["source"] == "cases"
    assert (record["cases"], record["threads"]) == (1, 1)
    assert record["conversations"] == {"recognition": 2, "representation": 1, "reasoning": 1}
    assert set(record["errors"]) == {"recognition", "representation", "reasoning", "reasoning.later", "bare"}
    assert record["errors"]["reasoning"]["logits"] == record["errors"]["reasoning.later"]["logits"]  # the same weights
    assert set(record) == {"source", "cases", "conversations", "tokens", "threads", "errors"}
    for error in record["errors"].values():
        assert set(error) == {"logits", "argmax", "positions", "linears"}
        assert all(isinstance(value, float) for value in error["linears"].values())
    assert {row.element_type for row in result.census} >= {"u4", "u8"}


def test_a_failure_after_the_capture_leaves_nothing(bundle_of: BundleOf, tmp_path: Path) -> None:
    """NNCF refuses the group size when it is called, conversations captured by then: no file, and its reason."""
    request = request_of(bundle_of, tmp_path, recipe=changed(load_recipe("int4-se"), group_size=96))
    with pytest.raises(CompressionError, match="NNCF refused language_model: Failed to apply group-wise"):
        run_in_child(request)
    assert list(request.scratch.iterdir()) == []
    assert not request.target.exists()


def test_the_stage_ends_with_whoever_started_it(bundle_of: BundleOf, tmp_path: Path) -> None:
    """A build that is killed leaves no process that goes on with what was captured."""
    request = request_of(bundle_of, tmp_path, recipe=load_recipe("int4-gptq"))
    code = (
        "import sys; from calibration.grafted.stage import StageRequest, run_in_child; "
        "run_in_child(StageRequest.model_validate_json(sys.stdin.read()))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=ROOT)
    assert parent.stdin is not None
    parent.stdin.write(request.model_dump_json().encode())
    parent.stdin.close()
    child = wait_for_child(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}/maps").exists() and read(Path(f"/proc/{child}/maps")):
        assert time.monotonic() < deadline, "the stage runs on"
        time.sleep(0.1)
    assert list(request.scratch.iterdir()) == []
    assert not request.target.exists()


def wait_for_child(parent: int) -> int:
    """Return the stage's process id as soon as it has begun its work, which is when it has loaded OpenVINO."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        children = read(Path(f"/proc/{parent}/task/{parent}/children")).split()
        if children and "libopenvino" in read(Path(f"/proc/{children[0]}/maps")):
            return int(children[0])
        time.sleep(0.1)
    raise AssertionError("the stage did not start")


def read(path: Path) -> str:
    """Return a file of /proc, or nothing once its process is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def test_a_request_survives_its_way_to_the_process(bundle_of: BundleOf, tmp_path: Path) -> None:
    """As JSON, with the recipe's defaults spelled out."""
    request = request_of(bundle_of, tmp_path, recipe=load_recipe("int4-gptq"))
    assert StageRequest.model_validate_json(request.model_dump_json()) == request
