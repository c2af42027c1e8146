"""An adapter of another backbone: same shapes, other weights."""

from __future__ import annotations

from pathlib import Path

from tests.simulators.peft_folder import DIGEST, assert_says, imported, refusal, write_peft


def test_the_noted_digest_decides(tmp_path: Path) -> None:
    """Every number would fit; the content digest beside the adapter names another base."""
    folder = write_peft(tmp_path / "peft")
    (folder / "base.sha256").write_text("b" * 64 + "\n", encoding="utf-8")
    message = refusal(folder)
    assert_says(message, folder / "base.sha256", "another backbone", "bbbbbbbbbbbb", "give that base, or train it on")


def test_the_right_digest_is_recorded(tmp_path: Path) -> None:
    """With its own base noted it is imported, and the record says that the folder said so."""
    folder = write_peft(tmp_path / "peft")
    (folder / "base.sha256").write_text(DIGEST + "\n", encoding="utf-8")
    assert imported(folder).record.base_noted


def test_an_adapter_of_another_agent_is_refused(tmp_path: Path) -> None:
    """agent.txt says whose it is."""
    folder = write_peft(tmp_path / "peft")
    (folder / "agent.txt").write_text("recognition\n", encoding="utf-8")
    assert_says(refusal(folder), folder / "agent.txt", "recognition", "give the right folder")
