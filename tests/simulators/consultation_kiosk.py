"""A kiosk with everything that a consultation needs: real store, rules and policy; drawn camera, gate and desk."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.capture.live import CameraStatus
from edge_agent.capture.live_states import Fault, State
from edge_agent.consultation.course import Course
from edge_agent.consultation.permits import PolicyPermits
from edge_agent.contracts.case import Case, Frame
from edge_agent.contracts.intake_values import ViewQuality
from edge_agent.contracts.policy import Policy
from edge_agent.ipc import Kind, Message
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.cases import CaseStore
from edge_agent.store.consultations import Consultations
from edge_agent.store.episodes import Episodes
from edge_agent.store.vault import ImageVault
from tests.simulators.kiosk_parts import HandClock, kiosk_parts


def drawn_skin(seed: int = 3, *, width: int = 640, height: int = 480) -> Frame:
    """Return a drawn patch of skin with a plaque: uint8[H, W, 3] BGR; nobody's."""
    noise = np.random.default_rng(seed).normal(0, 7, (height, width, 1))
    rows, columns = np.mgrid[0:height, 0:width]
    skin = np.array([138, 170, 214], float) + noise
    distance = ((columns - width / 2) / (width / 5)) ** 2 + ((rows - height / 2) / (height / 4)) ** 2
    plaque = np.array([92, 96, 186], float) + 2.4 * noise
    mixed = np.where((distance < 1)[..., None], plaque, skin)
    return np.clip(mixed, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class DrawnFrame:
    """One frame of the drawn camera, shaped like the live camera's."""

    frame: Frame
    sequence: int
    age_s: float = 0.0


class DrawnCamera:
    """A camera that always sees the same drawn skin; ``is_on`` False: it gives nothing."""

    def __init__(self) -> None:
        self.is_on = True
        self._frame = drawn_skin()
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self._frame[:, :, ::-1])).save(stream, format="JPEG", quality=80)
        self._jpeg = stream.getvalue()
        self._sequence = 0

    def status(self) -> CameraStatus:
        """Say that it works, or that it is not there."""
        state, fault = (State.LIVE, None) if self.is_on else (State.FAULTED, Fault.UNPLUGGED)
        return CameraStatus(state, fault, since_s=5.0, source="drawn", width=640, height=480, fps=10.0)

    def latest(self) -> DrawnFrame | None:
        """Return the next frame."""
        self._sequence += 1
        return DrawnFrame(self._frame, self._sequence) if self.is_on else None

    def preview_jpeg(self, max_px: int = 720) -> bytes | None:  # noqa: ARG002  (same shape as the live camera's)
        """Return the picture, as JPEG."""
        return self._jpeg if self.is_on else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scripted gate says."""

    verdict: ViewQuality = "accepted"
    reasons: tuple[str, ...] = ()
    best: int = 0


@dataclass(frozen=True, slots=True)
class Hint:
    """What the scripted coach says."""

    id: str = "ready"
    arrow: str | None = None


class ScriptedGate:
    """A gate whose verdict a test chooses."""

    def __init__(self) -> None:
        self.says = Verdict()
        self.hint = Hint()

    def judge(self, frames: Sequence[Frame], *, shot: str | None, site: str | None) -> Verdict:  # noqa: ARG002
        """Return the chosen verdict on the last frame."""
        return replace(self.says, best=len(frames) - 1)

    def coach(self, frames: Sequence[Frame], *, shot: str | None) -> Hint:  # noqa: ARG002
        """Return the chosen hint."""
        return self.hint


class PatientDesk:
    """A desk that stores cases as the daemon does, and runs them when a test says so."""

    def __init__(self, cases: CaseStore) -> None:
        self._cases = cases
        self._followers: dict[str, list[queue.Queue[Message]]] = {}
        self._lock = threading.Lock()
        self.storage = "ok"  # the stage of the store's ladder

    def submit(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:
        """Store the case."""
        self._cases.add(case, language=language, awaits_sign_off=awaits_sign_off)

    @contextmanager
    def follow(self, case_id: str) -> Iterator[queue.Queue[Message]]:
        """Give what happens to a case from now on."""
        mine: queue.Queue[Message] = queue.Queue()
        with self._lock:
            self._followers.setdefault(case_id, []).append(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._followers[case_id].remove(mine)

    def status(self) -> Mapping[str, Any]:
        """Say that nothing waits."""
        return {
            "daemon": {"pid": 100, "child_pid": 101, "child_state": "idle"},
            "device": "CPU",
            "bundle_dir": "/bundle",
            "hub_connected": False,
            "outbox": {"queued": 0, "sent": 0, "stored": 0, "rejected": 0, "quarantined": 0},
            "cases": {"stored": 0, "running": 0, "reported": 0, "failed": 0},
            "pending": 0,
            "storage": self.storage,
        }

    def is_followed(self, case_id: str) -> bool:
        """Say whether somebody follows a case."""
        with self._lock:
            return bool(self._followers.get(case_id))

    def tell(self, case_id: str, kind: Kind, **body: Any) -> None:
        """Tell whoever follows a case."""
        with self._lock:
            for follower in self._followers.get(case_id, []):
                follower.put(Message(body={"kind": kind, **body}))

    def finish(self, case_id: str, report: Mapping[str, Any]) -> None:
        """Give a case its report."""
        self._cases.mark_running(case_id)
        self._cases.finish(case_id, report, None)


@contextmanager
def consultation_kiosk(
    folder: Path, *, clock: HandClock | None = None, policy: Policy | None = None, **kiosk: Any
) -> Iterator[KioskParts]:
    """Give the parts of a kiosk that can hold consultations."""
    with kiosk_parts(folder, clock=clock, **kiosk) as parts:
        vault = ImageVault(parts.database)
        cases = CaseStore(parts.database, vault=vault)
        episodes = Episodes(parts.database, cases=cases)
        room = ConsultationParts(
            consultations=Consultations(parts.database, vault=vault, episodes=episodes, audit=parts.audit),
            episodes=episodes,
            vault=vault,
            course=Course(RuleBook.load("red_flags.toml"), PolicyPermits(policy or Policy())),
            gate=ScriptedGate(),
            burst_pause_s=0.0,
        )
        yield replace(parts, cases=cases, consultation=room, camera=DrawnCamera(), desk=PatientDesk(cases))
