"""What a manifest says about its own cost: weights from the census, turns from prompts and schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calibration.checkpoint.architecture import read_architecture
from calibration.checkpoint.device_case import model_facts as shape_facts
from calibration.checkpoint.factors import load_factors
from calibration.checkpoint.sizes import bundle_size
from calibration.recipe import load_recipe
from device_profiles.cost import Turn
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AgentInputs, CensusRow, FileEntry, Generation, Manifest, Step
from edge_agent.contracts.text_contract import CoderSpec
from edge_agent.workload import case_facts, model_facts
from tests.simulators.cases import manifest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = open_bundle(ROOT / "edge_agent" / "bundles" / "reference", keys=load_keys(shipped_key_folder())).manifest


def one_step(schema: dict[str, object] | None, *, max_tokens: int = 1000, prompt: str = "x") -> Step:
    """A step with a schema, or one of free text."""
    contract: Any = "text" if schema is None else "schema"
    return Step(
        name="one", prompt=prompt, contract=contract, output_schema=schema, generation=Generation(max_tokens=max_tokens)
    )


def changed(**agents: dict[str, Any]) -> Manifest:
    """The simulators' manifest with ten visual tokens per view, some agents' parts replaced."""
    plain = manifest()
    specs = {name: spec.model_copy(update=agents.get(name, {})) for name, spec in plain.agents.items()}
    ten_tokens = plain.preprocessing.model_copy(update={"max_pixels": 10 * 28 * 28})
    return plain.model_copy(update={"agents": specs, "preprocessing": ten_tokens})


def only(name: str, steps: list[Step], *, views: int = 1, **inputs: Any) -> list[Turn]:
    """The turns of one agent, when the others write and read nothing."""
    silent = {"steps": [one_step({"type": "object", "properties": {}})], "inputs": AgentInputs(images="none")}
    agents = dict.fromkeys(("recognition", "representation", "reasoning"), silent)
    spec = {"steps": steps, "inputs": AgentInputs(**{"images": "none", **inputs})}
    facts = case_facts(changed(**{**agents, name: spec}), views=views)
    return [turn for turn in facts.turns if turn.decisions or turn.forced_tokens]


def test_the_shipped_bundle_counts_like_its_shape() -> None:
    """Two readers of one model, census and config.json, agree within three hundredths (zero points are counted)."""
    arch = read_architecture(ROOT / "models" / "reference" / "base")
    size = bundle_size(arch, load_recipe("int4-data-free"), adapter_shapes=[(217_088, 16)] * 3, factors=load_factors())
    expected, found = shape_facts(arch, size, ()), model_facts(SHIPPED)
    assert found.adapter_weights == 3 * 217_088
    for name in (
        "language_weights",
        "head_weights",
        "vision_weights",
        "language_bytes",
        "adapter_bytes",
        "other_bytes",
    ):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=0.05), name
    for name in ("layers", "attention_width", "kv_width", "vision_layers", "vision_width"):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.mlp_width == pytest.approx(expected.mlp_width, rel=0.1)


def test_weights_that_are_not_compressed_count_too() -> None:
    """An FP32 bundle has floats where another has codes."""
    rows = [CensusRow(part="language_model", element_type="f32", tensors=1, elements=70_000_000, bytes=280_000_000)]
    spine = manifest().backbone
    found = model_facts(manifest().model_copy(update={"census": rows}))
    assert found.language_weights == 70_000_000 - spine.vocab_size * spine.hidden_size


def test_without_a_census_four_bits_per_weight_are_assumed() -> None:
    """An older bundle is counted with the most weights that its bytes can hold."""
    files = [FileEntry(path="a", role="language_model.bin", size_bytes=500_000_000, sha256="0" * 64)]
    plain = manifest().model_copy(update={"census": [], "files": files})
    head = plain.backbone.vocab_size * plain.backbone.hidden_size
    assert model_facts(plain).language_weights == 1_000_000_000 - head
    assert model_facts(plain).language_bytes == 500_000_000


def test_decisions_follow_the_schema() -> None:
    """One per enum with a choice; a list of 1 to 3 is half full: two items, and two chances to end it."""
    colour = {"enum": ["red", "brown"]}
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            "a": colour,
            "fixed": {"enum": ["only"]},
            "list": {"type": "array", "items": colour, "minItems": 1, "maxItems": 3},
        },
    }
    (turn,) = only("reasoning", [one_step(schema)])
    assert turn.decisions == 1 + 0 + 2 + 2
    assert turn.forced_tokens > 0


def test_a_free_text_counts_to_its_limit() -> None:
    """Nobody knows how long it gets, so the promise holds for the longest."""
    (turn,) = only("recognition", [one_step(None, max_tokens=321)])
    assert (turn.decisions, turn.forced_tokens) == (321, 0)


def test_a_later_step_goes_on_from_what_stands() -> None:
    """Only its own prompt is read; the first step's tokens are attended to."""
    first, second = only("representation", [one_step(None, max_tokens=10), one_step(None, prompt="p" * 45)])
    assert second.prefill_tokens == 10
    assert second.seen_tokens == first.context_tokens == first.prefill_tokens + 10


@pytest.mark.parametrize(("images", "rows", "pictures"), [("one", 3, 1), ("all", 1, 3), ("none", 1, 0)])
def test_pictures_stand_where_the_agent_sees_them(images: str, rows: int, pictures: int) -> None:
    """One view per row, all views in one row, or none."""
    (turn,) = only("recognition", [one_step(None)], views=3, images=images)
    assert turn.rows == rows
    assert turn.prefill_tokens == pictures * 10


def test_a_record_grows_with_its_fields_and_views() -> None:
    """A field of a view stands once per view, any other once."""
    fields = ["view.colour", "view.shape", "intake.pulse"]
    one, two = (
        only("reasoning", [one_step(None)], views=views, text=["record"], record_fields=fields)[0].prefill_tokens
        for views in (1, 2)
    )
    assert two - one == 2 * 7
    bare = only("reasoning", [one_step(None)])[0].prefill_tokens
    assert one - bare == 3 * 7


def test_what_one_agent_writes_another_reads() -> None:
    """The text of Rec, of every view, stands in Rep's prompt at its full length."""
    said = {"steps": [one_step(None, max_tokens=200)], "inputs": AgentInputs(images="none")}
    reads = {"steps": [one_step(None)], "inputs": AgentInputs(images="none", text=["recognition_text"])}
    quiet = {**reads, "inputs": AgentInputs(images="none")}
    tokens = [
        case_facts(changed(recognition=said, representation=spec), views=3).turns[-2].prefill_tokens
        for spec in (quiet, reads)
    ]
    assert tokens[1] - tokens[0] == 600


def test_every_look_is_encoded_and_asked_about() -> None:
    """Four looks at two views: eight pictures, two rows once and three further rows for each view."""
    plain = changed(recognition={"inputs": AgentInputs(images="one")})
    looked = plain.model_copy(update={"thresholds": plain.thresholds.model_copy(update={"scope_looks": 4})})
    once, four = case_facts(plain, views=2), case_facts(looked, views=2)
    assert (once.pictures, four.pictures) == (2, 8)
    steps = len(plain.agents["recognition"].steps)
    assert sorted({turn.rows for turn in four.turns[: 3 * steps]}) == [2, 3]
    assert len(four.turns) - len(once.turns) == 2 * steps


def test_the_coder_reads_every_text_once_more() -> None:
    """A declared second turn is one more question per agent that writes."""
    steps = {"steps": [one_step(None, max_tokens=100)]}
    plain = changed(recognition=steps, representation=steps, reasoning=steps)
    coded = plain.model_copy(update={"coder": CoderSpec()})
    assert len(case_facts(coded, views=1).turns) == 2 * len(case_facts(plain, views=1).turns) == 6


@pytest.mark.parametrize(
    "schema", [{"type": "array"}, {"properties": {"a": "no rule"}}, {"enum": []}, {"type": "string"}]
)
def test_a_schema_that_is_none_is_no_error_here(schema: dict[str, object]) -> None:
    """Whether a schema is allowed is judged elsewhere; the count goes on."""
    facts = case_facts(changed(reasoning={"steps": [one_step(schema)]}), views=1)
    assert all(turn.decisions >= 0 and turn.forced_tokens >= 0 for turn in facts.turns)
