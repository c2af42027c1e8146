"""What is captured from cases lies in a file without a name, and goes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.grafted.captured import ArrayFile


def rows() -> list[dict[str, np.ndarray]]:
    """Return two conversations of different lengths."""
    return [
        {"inputs_embeds": np.arange(12, dtype=np.float32).reshape(1, 3, 4), "beam_idx": np.zeros(1, np.int32)},
        {"inputs_embeds": np.ones((1, 5, 4), np.float32), "attention_mask": np.ones((1, 5), np.int64)},
    ]


def test_rows_come_back_as_they_were_as_often_as_asked(tmp_path: Path) -> None:
    """NNCF goes through its data set several times."""
    with ArrayFile(tmp_path) as file:
        for number, row in enumerate(rows()):
            file.append(row, label=f"adapter {number}")
        assert (len(file), file.labels) == (2, ["adapter 0", "adapter 1"])
        for _ in range(2):
            for found, wanted in zip(file, rows(), strict=True):
                assert found.keys() == wanted.keys()
                for name, value in wanted.items():
                    assert found[name].dtype == value.dtype
                    np.testing.assert_array_equal(found[name], value)


def test_nothing_appears_in_the_folder(tmp_path: Path) -> None:
    """Not even while the file is open and holds something: a process that is killed leaves nothing behind."""
    with ArrayFile(tmp_path) as file:
        for row in rows():
            file.append(row, label="")
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_failure_closes_it(tmp_path: Path) -> None:
    """After an error the rows are gone."""
    with pytest.raises(RuntimeError, match="planted"), ArrayFile(tmp_path) as file:
        file.append(rows()[0], label="")
        raise RuntimeError("planted")
    with pytest.raises(ValueError, match="closed"):
        file[0]
