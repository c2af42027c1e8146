"""The slots of windowed attention: every patch in its own window, spare slots hidden."""

from __future__ import annotations

import numpy as np

from edge_agent.inference.windows import window_tensors


def test_full_windows_are_the_patches_in_order() -> None:
    """Two windows of four: slot i holds patch i, and no key is hidden."""
    found = window_tensors(np.array([0, 4, 8]), size=4)
    assert found["window_slots"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found["window_places"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found["window_keys"].shape == (1, 2, 1, 4)
    assert not found["window_keys"].any()


def test_short_windows_are_filled_up_and_hidden() -> None:
    """Windows of 4, 1 and 2: spare slots repeat the window's first patch, are no keys, and no patch stands in them."""
    found = window_tensors(np.array([0, 4, 5, 7]), size=4)
    assert found["window_slots"].tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 5, 5]
    assert found["window_places"].tolist() == [0, 1, 2, 3, 4, 8, 9]
    hidden = np.isneginf(np.asarray(found["window_keys"], dtype=np.float32)[0, :, 0])
    assert hidden.tolist() == [[False] * 4, [False, True, True, True], [False, False, True, True]]
    assert [found[name].dtype for name in ("window_slots", "window_places", "window_keys")] == ["i8", "i8", "f4"]
