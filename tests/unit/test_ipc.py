"""Messages between processes: what is written is read, what is not a message is refused."""

from __future__ import annotations

import io
import socket
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.case_wire import pack_case, unpack_case
from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Intake
from edge_agent.errors import ConfigError, DaemonError
from edge_agent.ipc import Message, connect, read_message, write_message
from edge_agent.supervision.local_socket import listen


@given(
    text=st.text(max_size=40),
    blobs=st.lists(st.binary(max_size=300), max_size=4),
)
def test_messages_come_back_in_order(text: str, blobs: list[bytes]) -> None:
    """Two messages written one after the other are read as they were, newlines in the text included."""
    stream = io.BytesIO()
    first, second = Message(body={"kind": "case", "text": text}, blobs=tuple(blobs)), Message(body={"kind": "status"})
    write_message(stream, first)
    write_message(stream, second)
    stream.seek(0)
    assert read_message(stream) == first
    assert read_message(stream) == second
    assert read_message(stream) is None


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"[]\n",
        b'{"body": {}}\n',
        b'{"body": {}, "blobs": [-1]}\n',
        b'{"body": {}, "blobs": [true]}\n',
        b'{"body": {}, "blobs": [999999999999]}\n',
        b'{"body": 1, "blobs": []}\n',
        b'{"body": {}, "blobs": [5]}\nabc',
        b'{"body": {}, "blobs": []}',
    ],
)
def test_what_is_not_a_message_is_refused(data: bytes) -> None:
    """Garbage, limits and cut-off messages are one clear error, never a crash or a guess."""
    with pytest.raises(DaemonError):
        read_message(io.BytesIO(data))


def test_a_case_crosses_processes_unchanged() -> None:
    """Pictures bit-equal, form and notes equal after packing and unpacking."""
    frame = np.random.default_rng(0).integers(0, 256, (37, 61, 3), dtype=np.uint8)
    case = Case(
        case_id="c1",
        views=(View(index=0, frame=frame, shot="close_up", body_site="elbow"),),
        intake=Intake(age_years=40, sex="female"),
        consent=None,
        created=datetime(2026, 3, 1, 8, tzinfo=UTC),
    )
    stream = io.BytesIO()
    write_message(stream, pack_case(case, language="zh"))
    stream.seek(0)
    message = read_message(stream)
    assert message is not None
    back = unpack_case(message)
    assert np.array_equal(back.views[0].frame, frame)
    assert (back.views[0].shot, back.views[0].body_site) == ("close_up", "elbow")
    assert (back.case_id, back.intake, back.consent, back.created) == ("c1", case.intake, None, case.created)
    assert message.body["language"] == "zh"


def test_a_case_with_a_wrong_picture_is_refused() -> None:
    """A blob that is not PNG never becomes a view."""
    body: dict[str, object] = {"case_id": "x", "created": "2026-01-01T00:00:00+00:00", "intake": {}, "consent": None}
    note = {"index": 0, "shot": None, "body_site": None, "laterality": None}
    with pytest.raises(DaemonError, match="not complete"):
        unpack_case(Message(body={**body, "views": [note]}, blobs=(b"no picture",)))


def test_the_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    """Other accounts cannot connect: mode 0600."""
    with listen(tmp_path) as listener:
        assert (tmp_path / "daemon.sock").stat().st_mode & 0o777 == 0o600
        assert listener.family == socket.AF_UNIX
        channel = connect(tmp_path)
        assert channel is not None
        channel.close()


def test_a_dead_socket_counts_as_no_daemon(tmp_path: Path) -> None:
    """After a power cut the file is there and nobody listens: the command line works alone, a daemon takes it over."""
    listen(tmp_path).close()
    assert (tmp_path / "daemon.sock").exists()
    assert connect(tmp_path) is None
    listen(tmp_path).close()


def test_a_long_state_folder_is_named(tmp_path: Path) -> None:
    """The limit of 107 bytes for socket paths is told in words."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(ConfigError, match="too long for a socket"):
        listen(folder)
