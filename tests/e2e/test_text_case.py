"""A DERM-3R-like checkpoint of random weights, built by the command line and run by ``derm-edge case``.

Its agents really write: random tokens, so no word of theirs fits the vocabulary, and the case has to end cleanly with an
abstention. What good texts lead to is shown in ``tests/unit/test_text_pipeline.py``.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")

from calibration.cli import main
from calibration.evaluation.case_folder import read_cases
from calibration.evaluation.evaluate import Plan, evaluate
from calibration.evaluation.limits import QualityGate, Substitute
from calibration.gates import check_gates
from calibration.golden import write_golden
from calibration.recipe import GateRecipe, Recipe, load_recipe, recipe_folder
from calibration.reference import agents_spec
from calibration.sign import development_key
from edge_agent.agents.report.document import report_schema
from edge_agent.agents.text.second_turn import SecondTurn
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.case import CodingRequest, Written
from edge_agent.contracts.golden import GoldenCase, GoldenSet, read_golden
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.text_contract import CODER_PROMPT, CoderSpec
from edge_agent.errors import QualityGateError
from edge_agent.inference.engine import Engine, EngineSettings
from tests.simulators.checkpoint import write_adapters, write_base
from tests.simulators.declaration import write_declared
from tests.simulators.kiosk import DEMO, Kiosk
from tests.simulators.sweep_source import write_labelled_cases
from tests.simulators.text_bundle import PLAQUE_TEXT, PROMPTS, TEXT_SCOPE, text_agents

TEXTS = {"recognition_text": f"图1:{PLAQUE_TEXT}", "representation_text": "皮损对称。", "intake_zh": "舌色:红"}
MAX_TOKENS = 24
VOCABULARY = Vocabulary.load()


@dataclass(frozen=True)
class Built:
    """The bundle and the agents as they were declared."""

    bundle: Bundle
    agents: dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Write the checkpoint, declare free text and a coder, build and sign."""
    folder = tmp_path_factory.mktemp("text")
    ids = " ".join(one for found in VOCABULARY.lists.values() if found.model is not None for one in found.terms)
    base = write_base(folder / "base", [*PROMPTS.values(), CODER_PROMPT, PLAQUE_TEXT, *TEXTS.values(), ids])
    write_declared(base)
    declared = json.loads((base / "derm_edge.json").read_text(encoding="utf-8"))
    agents = text_agents(max_tokens=MAX_TOKENS)
    rep = agents["representation"]
    rep["invocation"] = agents_spec.INVOCATION
    rep["steps"][0]["prompt"] = rep["steps"][0]["prompt"].replace("请综合", f"{agents_spec.INVOCATION}请综合")
    declared["agents"], declared["coder"] = agents, {}
    declared["thresholds"]["text_scope"] = TEXT_SCOPE.model_dump()
    (base / "derm_edge.json").write_text(json.dumps(declared, ensure_ascii=False), encoding="utf-8")
    cases = json.loads((base / "golden" / "cases.json").read_text(encoding="utf-8"))
    for case in cases["cases"]:
        case["texts"] = TEXTS
    (base / "golden" / "cases.json").write_text(json.dumps(cases, ensure_ascii=False), encoding="utf-8")
    recipe = (recipe_folder() / "int8.toml").read_text(encoding="utf-8").split("[gates]")[0]
    recipe += "[gates]\ncanary_max_of_range = 0.3\ncanary_min_argmax = 0.2\ngolden_min_agreement = 0.3\n"
    recipe += "coder_max_wrong = 1.0\ncoder_max_filled = 1.0\ncoder_min_right = 0.0\n"
    (folder / "loose.toml").write_text(recipe, encoding="utf-8")
    adapters = [f"--adapter={name}={path}" for name, path in write_adapters(folder / "adapters", base).items()]
    words = ["build", f"--base={base}", *adapters, f"--recipe={folder / 'loose.toml'}", f"--out={folder / 'bundle'}"]
    assert main([*words, f"--key={development_key()}"]) == 0
    return Built(open_bundle(folder / "bundle", keys=load_keys(shipped_key_folder())), agents)


def test_the_manifest_holds_the_prompts_and_settings_unchanged(built: Built) -> None:
    """Byte for byte what was declared."""
    for name, agent in built.agents.items():
        steps = built.bundle.manifest.agents[name].steps  # type: ignore[index]
        for step, declared in zip(steps, agent["steps"], strict=True):
            assert step.prompt == declared["prompt"]
            told = step.generation.model_dump()
            assert {key: told[key] for key in declared["generation"]} == declared["generation"]


def test_golden_texts_are_token_ids_of_pytorch(built: Built) -> None:
    """Every agent has its first tokens, and the device's engine follows most of them."""
    golden = read_golden(built.bundle.path_of("golden"))
    for case in golden.cases:
        for agent, answers in case.expected.items():
            first = built.agents[agent]["steps"][0]["name"]
            assert all(set(one) == {first} and len(one[first]["token_ids"]) == 8 for one in answers)  # type: ignore[arg-type]


def test_a_golden_text_with_other_tokens_is_noticed(built: Built, tmp_path: Path) -> None:
    """The replay can fail: with every expected token exchanged for its neighbour, nothing agrees."""
    with Engine(built.bundle, settings=EngineSettings(strict=True)) as engine:
        fine = engine.run_canary()
    folder = shutil.copytree(built.bundle.path, tmp_path / "bundle")
    found = read_golden(built.bundle.path_of("golden"))
    cases = json.loads(json.dumps([case.model_dump(mode="json") for case in found.cases]))
    for answers in (one for case in cases for rows in case["expected"].values() for one in rows):
        for told in answers.values():
            told["token_ids"] = [token + 1 for token in told["token_ids"]]
    wrong = GoldenSet(tuple(GoldenCase.model_validate(case) for case in cases), found.pictures)
    write_golden(wrong, folder / Path(built.bundle.path_of("golden")).name)
    with Engine(replace(built.bundle, path=folder), settings=EngineSettings(strict=True)) as engine:
        damaged = engine.run_canary()
    assert fine.golden_total == damaged.golden_total == 8 * (3 + 2 + 2)  # 3 pictures; Rep and Reason once per case
    assert fine.golden_equal >= 0.9 * fine.golden_total
    assert damaged.golden_equal <= 0.1 * damaged.golden_total


def test_the_backbone_codes_under_a_schema(built: Built) -> None:
    """Any answer holds every asked field, a sentence's number and an id of the vocabulary; two texts in one batch."""
    second = SecondTurn(VOCABULARY, CoderSpec())
    asked = [
        second.question(Written("describe", text, text, "eos"), fields)
        for text, fields in ((PLAQUE_TEXT, ("border", "colour")), ("图像。", ("scale_amount", "shape", "family")))
    ]
    requests: list[CodingRequest] = [one.request for one in asked if one is not None]
    with Engine(built.bundle) as engine:
        answers = engine.code(requests)
        assert engine.code([]) == []
    for request, answer in zip(requests, answers, strict=True):
        jsonschema.validate(answer.value, dict(request.schema))
        assert list(answer.value) == list(request.schema["properties"])


def test_the_default_bounds_refuse_a_backbone_that_reads_nothing(built: Built) -> None:
    """The bundle was built under bounds that its manifest tells; under the default ones it would have been refused."""
    stated: Any = built.bundle.manifest.recipe["gates"]
    assert (stated["coder_max_wrong"], stated["coder_max_filled"], stated["coder_min_right"]) == (1.0, 1.0, 0.0)
    with pytest.raises(QualityGateError, match=r"second turn: 0\.000 of .* read right.* leave `coder` out"):
        check_gates(built.bundle.path, manifest=built.bundle.manifest, recipe=strict_turn(built))


def strict_turn(built: Built) -> Recipe:
    """The recipe that the bundle was built with, but for the second turn's bounds: the default ones."""
    loose = load_recipe(str(built.bundle.path.parent / "loose.toml"))
    told = loose.gates.model_dump(exclude={"coder_max_wrong", "coder_max_filled", "coder_min_right"})
    return loose.model_copy(update={"gates": GateRecipe(**told)})


def test_a_case_of_random_texts_ends_with_an_abstention(built: Built, tmp_path: Path) -> None:
    """Through the command line: a report that fits its schema, the words in it, no syndrome, a person to read it."""
    with Kiosk(tmp_path) as kiosk:
        done = kiosk.run(
            "case", "--folder", str(DEMO / "pictures"), "--intake", str(DEMO / "intake.json"), "--json",
            "--bundle", str(built.bundle.path),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, report_schema())
    assert len(report["recognition"]) == len(list((DEMO / "pictures").glob("*.png")))
    for view in report["recognition"]:
        assert [row["step"] for row in view["texts"]] == ["describe"]
        assert all(row["probability"] is None for row in view["fields"].values())
    assert report["scope"]["decision"] != "in_scope"
    assert report["abstentions"] and report["tcm"] is None
    assert report["triage"]["needs_human_reading"] and "coded_from_text" in report["notices"]
    assert "writing" in done.stderr


def test_a_text_bundle_can_be_measured(built: Built, tmp_path: Path) -> None:
    """Every agent's own text is teacher-forced, coded values are compared, and a substitute stands for confidences."""
    cases = read_cases(write_labelled_cases(tmp_path / "cases"))
    gate = QualityGate(metric="calibration_error_gain", limit=0.02, min_cases=1)
    other = Substitute(metric="divergence", part="reasoning", limit=0.01)
    plan = Plan(cases, [gate, gate.model_copy(update={"substitute": other})], tmp_path / "work", is_timed=False)
    found = evaluate(built.bundle, built.bundle, plan, tell=lambda *_: None)
    assert found.comparison is not None
    for case in found.comparison.divergences.values():
        assert set(case) == {"recognition", "representation", "reasoning"}
        assert all(one.decisions > 0 and one.nats < 1e-6 for one in case.values())  # the bundle beside itself
    assert [row.is_met for row in found.gates] == [False, True]
    assert "no confidence was told" in found.gates[0].line()
    answers = found.candidate.answers
    assert all(one.words_open is False for one in answers)  # random words open nothing
    assert {one.confidence for answer in answers for one in answer.said} == {None}
