"""Replay a bundle's golden cases: what this machine decides, against what PyTorch + PEFT decided at the build.

Shows each case to an agent as the manifest declares; makes no expected value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput, Frame, Request
from edge_agent.contracts.golden import TOKENS, Decisions, GoldenCase, read_golden
from edge_agent.contracts.manifest import AgentName, AgentSpec, Manifest
from edge_agent.errors import RejectedError
from edge_agent.inference.vision import EncodedView

Encode = Callable[[Frame], EncodedView]
Run = Callable[[AgentName, Sequence[Request]], list[tuple[AgentOutput, ...]]]
Follow = Callable[[AgentName, Sequence[Request], Sequence[Sequence[int]]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class GoldenAnswer:
    """One expected decision and what this machine decides there, which may be nothing: that equals no expected value."""

    place: str
    expected: object
    found: object = None
    is_decided: bool = True

    @property
    def is_equal(self) -> bool:
        """Say whether this machine decides as expected."""
        return self.is_decided and self.found == self.expected


def golden_decisions(bundle: Bundle, *, encode: Encode, run: Run, follow: Follow) -> Iterator[bool]:
    """Yield, for every expected decision of the golden cases, whether this machine decides it so.

    Args:
        bundle: holds the cases.
        encode: the engine's ``encode``.
        run: the engine's ``run``.
        follow: the engine's ``follow``; for agents that begin with free text, whose tokens are compared one by one with
            the expected ones before them given.

    Raises:
        RejectedError: the cases cannot be read or do not fit the agents.
        InferenceError: the runtime failed.
    """
    golden = read_golden(bundle.path_of("golden"))
    for case in golden.cases:
        for answer in golden_answers(case, golden.pictures, bundle.manifest, encode=encode, run=run, follow=follow):
            yield answer.is_equal


def golden_answers(
    case: GoldenCase, pictures: Mapping[str, bytes], manifest: Manifest, *, encode: Encode, run: Run, follow: Follow
) -> Iterator[GoldenAnswer]:
    """Yield every expected decision of one golden case beside this machine's; ``pictures`` are PNG bytes by name.

    The rest as for ``golden_decisions``.
    """
    views = [encode(_decode_png(pictures[name])) for name in case.pictures]
    for agent, expected in case.expected.items():
        spec = manifest.agents[agent]
        requests = _requests(case, views=views, spec=spec)
        if len(requests) != len(expected):
            raise RejectedError(f"golden case {case.case_id} expects {len(expected)} answers of {agent}")
        where = f"{case.case_id} {agent}"
        if spec.steps[0].contract == "text":
            begun = [_begun(case, decisions, step=spec.steps[0].name) for decisions in expected]
            for row, (wanted, likeliest) in enumerate(zip(begun, follow(agent, requests, begun), strict=True)):
                for number, (one, other) in enumerate(zip(wanted, likeliest, strict=True)):
                    yield GoldenAnswer(f"{where} {row} token {number}", one, other)
            continue
        for row, (decisions, steps) in enumerate(zip(expected, run(agent, requests), strict=True)):
            # Expected values are named as decided fields are, with a dot inside an object (`biomedical.working`).
            found = {(one.step, name): field.value for one in steps for name, field in one.fields.items()}
            for step, values in decisions.items():
                for name, value in values.items():
                    place, key = f"{where} {row} {step}.{name}", (step, name)
                    yield GoldenAnswer(place, value, found.get(key), is_decided=key in found)


def _begun(case: GoldenCase, decisions: Decisions, *, step: str) -> list[int]:
    """Return the expected first tokens of a text."""
    ids = decisions.get(step, {}).get(TOKENS)
    if not isinstance(ids, list) or not ids or not all(isinstance(one, int) for one in ids):
        raise RejectedError(f"golden case {case.case_id} lacks the first tokens of {step}; build the bundle again")
    return [int(one) for one in ids]


def _requests(case: GoldenCase, *, views: list[EncodedView], spec: AgentSpec) -> list[Request]:
    """Show a golden case to an agent as its inputs declare."""
    missing = [name for name in spec.inputs.text if name not in case.texts]
    if missing:
        raise RejectedError(f"golden case {case.case_id} lacks the text {missing[0]}; build the bundle again")
    texts = {name: case.texts[name] for name in spec.inputs.text}
    if spec.inputs.images == "one":
        return [Request((view,), texts) for view in views]
    return [Request(tuple(views) if spec.inputs.images == "all" else (), texts)]


def _decode_png(data: bytes) -> Frame:
    """Return uint8[H, W, 3] BGR."""
    try:
        with Image.open(BytesIO(data)) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    except (OSError, ValueError) as exc:
        raise RejectedError("a golden case's picture cannot be read; build the bundle again") from exc
