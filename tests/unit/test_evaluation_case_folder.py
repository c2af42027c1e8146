"""Folders of labelled cases: what can be read, and that every mistake is one line with its file and field."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from calibration.evaluation.case_folder import CaseFile, cases_digest, read_cases, write_case
from edge_agent.errors import CaseError

VIEW = {"picture": "1.png", "shot": "close_up", "labels": {"family": "papulosquamous", "erythema": 2}}


def picture(colour: str = "brown") -> bytes:
    """Return a small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 80), colour).save(buffer, "PNG")
    return buffer.getvalue()


def document(**more: Any) -> dict[str, Any]:
    """Return a valid case as JSON; ``more`` overrides its keys."""
    fixed = {
        "case_id": "a",
        "tone_group": "fitzpatrick_5",
        "in_scope": True,
        "intake": {"duration": "more_than_one_year"},
    }
    return {**fixed, "views": [VIEW], "reasoning": {"biomedical.working": "plaque_psoriasis"}, **more}


def write(folder: Path, name: str = "a", **more: Any) -> Path:
    """Write a case by hand, as somebody else's program would."""
    target = folder / name
    target.mkdir(parents=True)
    (target / "1.png").write_bytes(picture())
    (target / "case.json").write_text(json.dumps(document(**{"case_id": name, **more})), encoding="utf-8")
    return target


def test_a_case_is_read_with_its_pictures(tmp_path: Path) -> None:
    """Labels, tone group and the picture's pixels come back as they were written, as BGR."""
    write(tmp_path)
    [case] = read_cases(tmp_path)
    assert (case.case_id, case.file.tone_group, case.view_type) == ("a", "fitzpatrick_5", "close_up")
    [frame] = case.frames()
    assert frame.shape == (80, 64, 3)
    assert frame[0, 0].tolist() == [42, 42, 165]  # brown is 165, 42, 42 in RGB


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """``write_case`` and ``read_cases`` are inverses."""
    file = CaseFile.model_validate(document())
    write_case(tmp_path, file, {"1.png": picture()})
    assert [case.file for case in read_cases(tmp_path)] == [file]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tone": 3}, "tone: Extra inputs"),
        ({"tone_group": "dark skin"}, "tone_group"),
        ({"case_id": "other"}, "is not the folder's name"),
        ({"views": []}, "views"),
        ({"views": [{**VIEW, "picture": "2.png"}]}, r"views\.0\.picture: 2\.png is not in the folder"),
        ({"views": [{**VIEW, "picture": "../../x.png"}]}, r"views\.0\.picture"),
        ({"views": [{**VIEW, "shot": "far"}]}, r"views\.0\.shot"),
        ({"views": [{**VIEW, "labels": {"famly": "bullous"}}]}, r"famly: no field of recognition; known are .*family"),
        ({"views": [{**VIEW, "labels": {"family": "psoriasis"}}]}, "'psoriasis' is no value of the list family"),
        ({"views": [{**VIEW, "labels": {"erythema": 7}}]}, "7 is no value"),
        ({"representation": {"stage": "growing"}}, r"representation\.stage: 'growing'"),
        ({"reasoning": {"working": "plaque_psoriasis"}}, "working: no field of reasoning"),
        ({"intake": {"itch": 3}}, r"intake\.itch"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """One line with the file and the field; nothing is measured on a case that is half understood."""
    write(tmp_path, **({"name": "a"} if "case_id" not in change else {}), **change)
    with pytest.raises(CaseError, match=rf"a/case\.json.*{words}.*mend the case"):
        read_cases(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '"a"'])
def test_a_file_that_is_no_case_is_named(tmp_path: Path, text: str) -> None:
    """Broken JSON and other JSON are errors of the case, not crashes."""
    (write(tmp_path) / "case.json").write_text(text, encoding="utf-8")
    with pytest.raises(CaseError, match="mend the case"):
        read_cases(tmp_path)


def test_a_folder_without_cases_is_an_error(tmp_path: Path) -> None:
    """Nothing to measure is not a good result."""
    with pytest.raises(CaseError, match="holds no"):
        read_cases(tmp_path)
    with pytest.raises(CaseError, match="cannot read"):
        read_cases(tmp_path / "missing")


def test_so_many_of_each_tone(tmp_path: Path) -> None:
    """``per_tone`` keeps the first cases of each tone group by name."""
    for name, tone in (("a", "1"), ("b", "1"), ("c", "5"), ("d", "1")):
        write(tmp_path, name, tone_group=tone)
    assert [case.case_id for case in read_cases(tmp_path, per_tone=1)] == ["a", "c"]


def test_another_picture_is_another_set_of_cases(tmp_path: Path) -> None:
    """Figures of other pictures or labels are never taken for these."""
    target = write(tmp_path)
    before = cases_digest(read_cases(tmp_path))
    (target / "1.png").write_bytes(picture("black"))
    assert cases_digest(read_cases(tmp_path)) != before


def test_danger_and_unreadable_follow_from_the_labels(tmp_path: Path) -> None:
    """A danger family on any view; nothing to read where every labelled view shows no lesion."""
    views = [{**VIEW, "labels": {"applicability": "not_skin"}}]
    write(tmp_path, "a", views=views, in_scope=False)
    write(tmp_path, "b", views=[*views, {**VIEW, "labels": {"family": "bullous", "applicability": "lesion_visible"}}])
    rows = [(case.is_danger, case.is_unreadable) for case in read_cases(tmp_path)]
    assert rows == [(False, True), (True, False)]
