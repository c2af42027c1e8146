"""Attack: the head leans on skin tone: on dark pictures it names another family, on light ones it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.evaluation.answers import CaseAnswer, Reading
from calibration.evaluation.case_folder import EvaluationCase
from calibration.evaluation.evaluate import Evaluation
from edge_agent.agents.prompts import fill
from edge_agent.contracts.bundle import Bundle
from edge_agent.inference.engine import Engine
from edge_agent.inference.tokenizer import Tokenizer
from tests.attacks.gates.conftest import Plant, fallen
from tests.attacks.gates.damage import damaged, head_reads_hidden, lean

DARK = "5"
FAMILY = 1  # the second decision of Rec's answer, behind applicability


def hidden_at_family(engine: Engine, case: EvaluationCase, answer: CaseAnswer) -> list[NDArray[np.float32]]:
    """Return, per view, the hidden state that decides its family (float32[H]), read through the identity head."""
    manifest = engine.bundle.manifest
    spec, pad = manifest.agents["recognition"], manifest.backbone.image_token_id
    tokenizer = Tokenizer(engine.bundle.path_of("tokenizer"), backbone=manifest.backbone)
    prompt = tokenizer.encode(fill(spec.steps[0].prompt, images=1, texts={}))
    frames, out = case.frames(), []
    for turn, steps in zip(answer.turns, answer.readings, strict=True):
        if turn.agent == "recognition":
            [reading] = steps
            view = engine.encode(frames[turn.views[0]])
            widened = [one for token in prompt for one in [token] * (view.embeddings.shape[0] if token == pad else 1)]
            ids = [*widened, *reading.tokens[: position_of(reading)]]
            logits = engine.logits(ids, adapter=spec.adapter, views=[view])
            out.append(logits[0, : manifest.backbone.hidden_size])
    return out


def position_of(reading: Reading) -> int:
    """Return where the answer decides the family: the first place behind applicability where a candidate stands."""
    ids = set(reading.decisions[FAMILY][0])
    first = next(place for place, token in enumerate(reading.tokens) if token in set(reading.decisions[0][0]))
    return next(place for place, token in enumerate(reading.tokens) if place > first and token in ids)


def token_of_family(answers: Sequence[CaseAnswer]) -> int:
    """Return a family's token that stands in no other decision: else the head would lean there too, on any tone."""
    readings = [step for answer in answers for turn in answer.readings for step in turn]
    elsewhere = {
        one for step in readings for place, row in enumerate(step.decisions) if place != FAMILY for one in row[0]
    }
    return next(one for one in reversed(answers[0].readings[0][0].decisions[FAMILY][0]) if one not in elsewhere)


def test_a_head_that_leans_on_tone_is_noticed(
    shipped: Bundle, cases: list[EvaluationCase], undamaged: Evaluation, plant: Plant, tmp_path: Path
) -> None:
    """Tone 5 falls on Rec's family, tone 1 does not: the group is named, and no mean over tones can hide it."""
    probe = damaged(shipped, tmp_path / "probe", part="language_model", edit=head_reads_hidden)
    rows, is_dark = [], []
    with Engine(probe) as engine:
        for case, answer in zip(cases, undamaged.candidate.answers, strict=True):
            found = hidden_at_family(engine, case, answer)
            rows += found
            is_dark += [case.file.tone_group == DARK] * len(found)
    # The least direction that is 1 on every dark picture and 0 on every light one: fewer pictures than dimensions.
    direction = np.linalg.pinv(np.stack(rows)) @ np.array(is_dark, np.float32)
    token = token_of_family(undamaged.candidate.answers)
    gates = plant("language_model", lean(direction.astype(np.float32), token=token, weight=40.0)).gates
    accuracy = {
        row.group.name: row.is_met
        for row in gates
        if row.gate.metric == "field_accuracy_loss" and row.gate.group == "each_tone"
    }
    assert accuracy == {"tone 1": True, f"tone {DARK}": False}
    assert ("divergence", "recognition", f"tone {DARK}") in fallen(gates)
