"""Finished stages are kept under the digest of their inputs; what a kill left half-written is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calibration.sweep import durable
from calibration.sweep.inputs import code_digest, code_files, files_digest
from calibration.sweep.stages import ANSWERS, STAGES, Kind, Stage, StageStore
from edge_agent.errors import ExportError

ROOT = Path(__file__).parents[2]
STAGE = Stage(Kind.BUILD, "int8", {"base": "a", "threads": 1})


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    """An empty store."""
    found = StageStore(tmp_path)
    found.clean()
    return found


def test_a_finished_stage_is_found_by_a_later_run(store: StageStore, tmp_path: Path) -> None:
    """Files, result and seconds are there for another process."""
    (store.begin(STAGE) / "file").write_bytes(b"content")
    store.finish(STAGE, result={"size_bytes": 7}, seconds=12.34)
    record = StageStore(tmp_path).find(STAGE)
    assert record is not None
    assert (record.result, record.seconds) == ({"size_bytes": 7}, 12.3)
    assert (store.folder_of(STAGE) / "file").read_bytes() == b"content"


def test_every_input_is_part_of_the_name(store: StageStore) -> None:
    """Another thread count, another base or another recipe is another stage."""
    store.begin(STAGE)
    store.finish(STAGE, result={}, seconds=1)
    others = [
        Stage(Kind.BUILD, "int8", {"base": "a", "threads": 2}),
        Stage(Kind.BUILD, "int8", {"base": "b", "threads": 1}),
        Stage(Kind.BUILD, "int4", {"base": "a", "threads": 1}),
        Stage(Kind.EVALUATE, "int8", {"base": "a", "threads": 1}),
    ]
    assert [store.find(one) for one in others] == [None] * 4
    assert len({STAGE.key, *(one.key for one in others)}) == 5


def test_what_a_kill_left_is_no_stage_and_is_removed(store: StageStore, tmp_path: Path) -> None:
    """A stage that was begun counts as nothing; the next start removes it, and a killed build's export with it."""
    (store.begin(STAGE) / "half").write_bytes(b"1")
    (tmp_path / "derm-export-x1").mkdir()
    (tmp_path / "mine.txt").write_text("not the sweep's")
    again = StageStore(tmp_path)
    assert again.find(STAGE) is None
    assert sorted(again.clean()) == [f".tmp-{STAGE.name}", "derm-export-x1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", STAGES]
    assert list((tmp_path / STAGES).iterdir()) == []


def test_a_record_of_other_inputs_is_not_believed(store: StageStore) -> None:
    """A folder that somebody renamed is not taken for the stage of that name."""
    other = Stage(Kind.BUILD, "int8", {"base": "other"})
    store.begin(other)
    store.finish(other, result={}, seconds=1)
    store.folder_of(other).rename(store.folder_of(STAGE))
    assert store.find(STAGE) is None


def test_stale_stages_of_the_same_recipe_go_and_others_stay(store: StageStore) -> None:
    """int4's older build goes; int4-se, whose name begins alike, is somebody else."""
    old, new = (Stage(Kind.BUILD, "int4", {"base": digest}) for digest in "ab")
    other = Stage(Kind.BUILD, "int4-se", {"base": "a"})
    for stage in (old, new, other):
        store.begin(stage)
        store.finish(stage, result={}, seconds=1)
    store.drop_others(new)
    assert [store.find(stage) is not None for stage in (old, new, other)] == [False, True, True]


def test_answers_of_other_cases_go_with_their_stage(store: StageStore, tmp_path: Path) -> None:
    """What was said on labelled cases, begun or finished, does not outlive them in the sweep's folder."""
    old, new = (Stage(Kind.EVALUATE, "int4", {"cases": digest}) for digest in "ab")
    other = Stage(Kind.EVALUATE, "int8", {"cases": "a"})
    for stage in (old, new, other):
        (tmp_path / ANSWERS / stage.name).mkdir(parents=True)
    store.begin(new)
    store.finish(new, result={}, seconds=1)
    store.drop_others(new)
    assert {path.name for path in (tmp_path / ANSWERS).iterdir()} == {new.name, other.name}


def test_a_folder_counts_only_after_it_was_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file and folder reaches the disk before the name does."""
    source, target = tmp_path / ".tmp-x", tmp_path / "x"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "file").write_bytes(b"1")
    synced: list[str] = []

    def note(path: Path) -> None:
        synced.append(path.name if target.exists() or path != tmp_path else "too early")

    monkeypatch.setattr(durable, "sync", note)
    durable.commit_folder(source, target)
    assert synced == ["file", "inner", ".tmp-x", tmp_path.name]


def test_a_digest_sees_names_and_bytes_and_leaves_out_what_it_shall(tmp_path: Path) -> None:
    """One byte, one name or one further file changes it; a download's cache does not."""
    (tmp_path / "a").write_bytes(b"1")
    first = files_digest(tmp_path, without=(".cache",))
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x").write_bytes(b"2")
    assert files_digest(tmp_path, without=(".cache",)) == first
    assert files_digest(tmp_path) != first
    (tmp_path / "a").write_bytes(b"2")
    changed = files_digest(tmp_path, without=(".cache",))
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, changed, files_digest(tmp_path, without=(".cache",))}) == 3
    with pytest.raises(ExportError, match="is no folder"):
        files_digest(tmp_path / "missing")


def test_an_unreadable_file_names_itself(tmp_path: Path) -> None:
    """What cannot be read is no input."""
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (tmp_path / "a").touch(mode=0o000)
    with pytest.raises(ExportError, match="cannot be read"):
        files_digest(tmp_path)


def test_the_programs_own_code_is_an_input() -> None:
    """Every kind of stage has a digest of its own code, the same at every call."""
    digests = {kind: code_digest(kind) for kind in ("export", "build", "evaluate")}
    assert len(set(digests.values())) == 3
    assert digests["build"] == code_digest("build")


def test_whatever_a_stage_imports_is_an_input() -> None:
    """A module in another package counts as much as its neighbour: figures of older code must never pass for these."""
    names = {
        kind: {path.relative_to(ROOT).as_posix() for path in code_files(kind)}
        for kind in ("export", "build", "evaluate")
    }
    assert {"calibration/export.py", "calibration/sweep/worker.py", "edge_agent/errors.py"} <= names["export"]
    assert {"calibration/coder_texts.py", "calibration/reference/labels.py", "device_profiles/loader.py"} <= names[
        "build"
    ]
    assert {"calibration/reference/list_values.py", "edge_agent/capture/stills.py"} <= names["evaluate"]
    assert {"calibration/evaluation/gates.toml", "calibration/evaluation/templates/report.html.j2"} <= names["evaluate"]
    assert "edge_agent/contracts/tables/text_lexicon.toml" in names["build"] & names["evaluate"]
    assert not any("cli.py" in one or one.startswith("calibration/recipes/") for one in names["build"])
