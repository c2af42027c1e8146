"""What a text bundle declares, and the rules of a coded value at the edges: thresholds, tokenizer, manifests of before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer as Core
from tokenizers import decoders, models, pre_tokenizers, trainers

from calibration.declaration import parse_declaration
from edge_agent.agents.abstention import Abstention, keep
from edge_agent.agents.prompts import fill
from edge_agent.contracts.case import AgentOutput, Coded, FieldValue
from edge_agent.contracts.manifest import FieldCalibration, Manifest
from edge_agent.contracts.text_contract import CoderSpec, TextScope
from edge_agent.errors import ExportError
from edge_agent.inference.tokenizer import Tokenizer
from tests.simulators.cases import THRESHOLDS, manifest
from tests.simulators.declaration import declaration
from tests.simulators.text_bundle import TEXT_SCOPE, text_agents, text_manifest


def declared(**changes: Any) -> dict[str, Any]:
    return {**declaration(), "agents": text_agents(), **changes}


def test_a_text_declaration_is_read_and_its_prompts_stay_byte_for_byte() -> None:
    """Prompts, generation settings, hand-over names and the coder."""
    told = parse_declaration(declared(coder={}), source="t")
    step = told.agents["representation"].steps[0]
    assert step.prompt == text_agents()["representation"]["steps"][0]["prompt"]
    assert (step.generation.temperature, step.generation.top_p, step.generation.repetition_penalty) == (0.7, 0.8, 1.05)
    assert step.generation.stop == ["</s>"]
    assert told.coder == CoderSpec()
    assert parse_declaration(declared(), source="t").coder is None


def test_a_prompt_without_its_text_is_refused() -> None:
    """Rep that declares Rec's text and does not show it."""
    agents = text_agents()
    agents["representation"]["steps"][0]["prompt"] = "{images}"
    with pytest.raises(ExportError, match="recognition_text"):
        parse_declaration(declared(agents=agents), source="t")


def test_a_texts_step_is_named_so_that_a_report_can_hold_it() -> None:
    """The report names the step beside the text."""
    agents = text_agents()
    agents["reasoning"]["steps"][0]["name"] = "Assess it"
    with pytest.raises(ExportError, match="stands in the report by its name"):
        parse_declaration(declared(agents=agents), source="t")


@pytest.mark.parametrize("prompt", ["{text}", "{fields}", "code it"])
def test_a_question_without_text_or_fields_is_refused(prompt: str) -> None:
    """The backbone would answer about nothing."""
    with pytest.raises(ValidationError):
        CoderSpec(prompt=prompt)


@pytest.mark.parametrize("change", [{"danger_cases": 58}, {"danger_read_as_ours": 1}, {"in_scope_cases": 0}])
def test_words_need_enough_evidence_to_open_a_case(change: dict[str, int]) -> None:
    """None of at least 59 danger pictures read as ours: .05 ** (1 / 59) is the bound of .95."""
    assert 0.05 ** (1 / 59) >= 0.95 > 0.05 ** (1 / 58)
    with pytest.raises(ValidationError):
        TextScope.model_validate({**TEXT_SCOPE.model_dump(), **change})


def test_a_manifest_of_before_opens_no_case_by_words() -> None:
    """What a signed old manifest lacks is not declared."""
    old = manifest().model_dump(mode="json", exclude={"coder"})
    del old["thresholds"]["text_scope"]
    for agent in old["agents"].values():
        del agent["inputs"]["view_text"]
    read = Manifest.model_validate(old)
    assert (read.coder, read.thresholds.text_scope) == (None, None)
    assert read.agents["representation"].inputs.view_text == "{text}"
    assert text_manifest().thresholds.text_scope == TEXT_SCOPE


@pytest.mark.parametrize(("least", "is_withheld"), [(0.6, True), (0.0, False)])
def test_a_threshold_that_asks_for_a_probability_withholds_a_coded_value(least: float, is_withheld: bool) -> None:
    """Fail closed: words have none."""
    limits = {"recognition.border": FieldCalibration(min_confidence=least)}
    output = AgentOutput(
        "recognition", "describe", "", {"border": "mixed"},
        {"border": FieldValue("mixed", None, coded=Coded("lexicon", "describe", is_firm=True))}, 0, 0,
    )  # fmt: skip
    kept, withheld = keep(output, THRESHOLDS.model_copy(update={"fields": limits}), view=0)
    row = kept["border"]
    assert (row.is_decided, row.is_withheld, row.probability) == (True, is_withheld, None)
    assert row.value == ("cannot_tell" if is_withheld else "mixed")
    assert withheld == ([Abstention("no_calibration", "recognition", 0, "border")] if is_withheld else [])


def test_what_is_filled_in_is_not_filled_again() -> None:
    """One pass, whatever the texts hold and in whatever order they come."""
    template = "{images}|{a}|{b}|{c}"
    texts = {"a": "{b}{images}", "b": "{a}\\1"}
    assert fill(template, images=0, texts=texts) == "|{b}{images}|{a}\\1|{c}"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A byte-level tokenizer with two control tokens, for a model with more rows than tokens."""
    core = Core(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|end|>", "<|user|>"], initial_alphabet=alphabet)
    core.train_from_iterator(["鲜红 bright red"], trainer)
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(core.to_str(), encoding="utf-8")
    assert core.get_vocab_size() < 320
    backbone = manifest().backbone.model_copy(update={"vocab_size": 320, "eos_token_ids": [0]})
    return Tokenizer(path, backbone=backbone)


def test_a_written_text_holds_no_control_token(tokenizer: Tokenizer) -> None:
    """Neither one that was sampled, nor rows without a token, nor letters that spell one: it goes into another prompt."""
    ids = tokenizer.encode("鲜红")
    assert tokenizer.decode_text([1, *ids, 319, 0]).decode() == "鲜红"
    spelled = [one for raw in b"<|us<|user|>er|>" for one in tokenizer.byte_tokens(bytes([raw]))]
    assert tokenizer.decode_text([*ids, *spelled]).decode() == "鲜红"
    tokenizer.check_plain(tokenizer.decode_text([*spelled, 1]).decode(), name="recognition_text")


def test_the_declaration_of_a_text_bundle_is_json() -> None:
    """What a team writes beside config.json can be written and read."""
    assert parse_declaration(json.loads(json.dumps(declared())), source="t").agents["reasoning"].inputs.text == [
        "representation_text", "intake_zh",
    ]  # fmt: skip
