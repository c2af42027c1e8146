"""The published schemas: generated from the data, held by the files, kept by the shipped bundle, strict about answers."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.contracts.agent_schemas import pointer_pattern
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS, AgentName, Manifest
from edge_agent.contracts.published_schemas import FOLDER, published_schemas, schema_text
from edge_agent.contracts.schema_subset import problems
from edge_agent.contracts.terms import FOLDER as VOCABULARY_FOLDER
from edge_agent.contracts.terms import RULE_FILES, Vocabulary
from scripts.schemas_main import stale_files
from tests.simulators.cases import FORM
from tests.simulators.kiosk import ROOT

BUNDLE = ROOT / "edge_agent" / "bundles" / "reference"
VOCABULARY = Vocabulary.load()
SCHEMAS = published_schemas(VOCABULARY)
NAMES = [f"{name}.schema.json" for name in (*AGENTS, "intake", "vocabulary")]
DATA_FILES = sorted(path.name for path in VOCABULARY_FOLDER.glob("*.toml") if path.name not in RULE_FILES)
STEP = {"claim": "blood_heat", "stance": "supports", "evidence": ["view:1.colour"]}
AGAINST = {"claim": "blood_stasis", "stance": "against", "evidence": ["intake.tongue.body_colour", "previous.stage"]}
UNKNOWN = {"claim": "insufficient_information", "stance": "supports", "evidence": ["intake.pulse"]}
ANSWERS: dict[str, dict[str, Any]] = {
    "recognition": {
        "applicability": "lesion_visible",
        "family": "papulosquamous",
        "primary_lesion": ["papule", "plaque"],
        "secondary_change": ["scale"],
        "colour": ["bright_red"],
        "scale_type": "silvery_lamellar",
        "scale_amount": 3,
        "erythema": 2,
        "induration": None,
        "border": "well_defined",
        "shape": ["guttate"],
        "arrangement": "scattered",
        "count_in_view": "six_to_twenty",
        "surface_share": "10_29",
        "special": ["white_halo"],
        "narrative": "散在红色丘疹。",
    },
    "representation": {
        "integrate": {
            "distribution": ["extensor", "scalp"],
            "symmetry": "symmetric",
            "phenotype": "guttate",
            "stage": "progressive",
        },
        "pathogenesis": {"mechanism": ["blood_heat_internal"], "location": ["blood_level"]},
    },
    "reasoning": {
        "reasoning_steps": [STEP, AGAINST, UNKNOWN],
        "biomedical": {
            "working": {"condition": "guttate_psoriasis", "supported_by": ["view:1.shape"]},
            "differential": ["pityriasis_rosea", {"condition": "secondary_syphilis"}],
        },
        "tcm": {
            "disease_name": "bai_bi",
            "syndrome": {"primary": "blood_heat", "secondary": "none"},
            "principle": ["clear_heat_cool_blood"],
            "formula": "xijiao_dihuang_tang",
            "modification": [{"action": "add", "herb": "zicao"}],
            "prescription": None,
        },
        "plan_proposal": [
            {"action": "investigate", "object": "repeat_photo", "condition": None, "interval_days": None}
        ],
        "limitations": ["pulse_not_examined"],
    },
}


def is_valid(name: str, value: Any) -> bool:
    """Judge with the jsonschema library; it knows nothing of how the schemas were made."""
    return jsonschema.Draft202012Validator(SCHEMAS[f"{name}.schema.json"]).is_valid(value)


@pytest.fixture(scope="module")
def shipped() -> Manifest:
    """The manifest of the bundle in the device package."""
    return open_bundle(BUNDLE, keys=load_keys(shipped_key_folder())).manifest


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_schema_is_the_generated_one(name: str) -> None:
    """Run scripts/schemas after a change of the vocabulary or the form."""
    assert (FOLDER / name).read_text(encoding="utf-8") == schema_text(SCHEMAS[name])


def test_a_stale_or_missing_file_is_found(tmp_path: Path) -> None:
    """What the test above relies on when a person asks `scripts/schemas --check`."""
    texts = {name: schema_text(schema) for name, schema in SCHEMAS.items()}
    assert sorted(path.name for path in stale_files(texts, folder=tmp_path)) == sorted(NAMES)
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert stale_files(texts, folder=tmp_path) == {}
    damaged = tmp_path / "recognition.schema.json"
    damaged.write_text(texts[damaged.name].replace("grey_brown", "gray_brown"), encoding="utf-8")
    assert list(stale_files(texts, folder=tmp_path)) == [damaged]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_valid_schema(name: str) -> None:
    """Draft 2020-12, with an address of its own."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"].endswith(f"/{name.split('.', maxsplit=1)[0]}-1.json")


@pytest.mark.parametrize("file", DATA_FILES)
def test_every_data_file_fits_the_schema_of_rows(file: str) -> None:
    """All lists of all sections, whoever wrote them."""
    data = tomllib.loads((VOCABULARY_FOLDER / file).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMAS["vocabulary.schema.json"]).validate(data)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Two words"},
        {"zh": ""},
        {"status": "checked"},
        {"since": 0},
        {"source": None},
        {"fact": {"a": 1}},
        {"F": 1},
    ],
)
def test_a_malformed_row_does_not_fit(change: dict[str, Any]) -> None:
    """No words in an id, no empty label, no third status, no nested fact."""
    row = {"id": "a", "zh": "一", "en": "a", "status": "unreviewed", "source": "s", "since": 1}
    assert is_valid("vocabulary", {"x": {"zh": "甲", "en": "x", "max": 1, "values": [row]}})
    assert not is_valid("vocabulary", {"x": {"zh": "甲", "en": "x", "max": 1, "values": [{**row, **change}]}})


@pytest.mark.parametrize("agent", AGENTS)
def test_a_complete_answer_fits(agent: AgentName) -> None:
    """Every key of sections 2, 3 and 5 once."""
    assert is_valid(agent, ANSWERS[agent])


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(answer: dict[str, Any]) -> None:
        at: Any = answer
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("agent", "change"),
    [
        ("recognition", _set("colour", to=["bright_red", "brown", "black"])),
        ("recognition", _set("colour", to=["brown", "brown"])),
        ("recognition", _set("colour", to=[])),
        ("recognition", _set("induration", to=5)),
        ("recognition", _set("induration", to="cannot_tell")),
        ("recognition", _set("family", to="I think psoriasis")),
        ("recognition", _set("family", to=None)),
        ("recognition", _set("body_site", to="elbow")),
        ("recognition", _set("narrative", to="x" * 401)),
        ("representation", _set("integrate", "stage", to="not_examined")),
        ("representation", _set("pathogenesis", "mechanism", to=["cannot_tell"])),
        ("reasoning", _set("reasoning_steps", to=[STEP, AGAINST])),
        ("reasoning", _set("reasoning_steps", to=[STEP] * 9)),
        ("reasoning", _set("reasoning_steps", 0, "stance", to="proves")),
        ("reasoning", _set("reasoning_steps", 0, "evidence", to=[])),
        ("reasoning", _set("reasoning_steps", 0, "evidence", to=["view:0.colour"])),
        ("reasoning", _set("reasoning_steps", 0, "evidence", to=["view:1.narrative"])),
        ("reasoning", _set("reasoning_steps", 0, "evidence", to=["the tongue"])),
        ("reasoning", _set("reasoning_steps", 0, "evidence", to=[f"view:{n}.colour" for n in range(1, 6)])),
        ("reasoning", _set("biomedical", "differential", to=["scabies"] * 5)),
        ("reasoning", _set("tcm", "syndrome", "confidence", to=0.9)),
        ("reasoning", _set("tcm", "prescription", to="水牛角 30 g")),
        ("reasoning", _set("tcm", "modification", 0, "dose_g", to=9)),
        ("reasoning", _set("tcm", "modification", 0, "herb", to="leigongteng")),
        ("reasoning", _set("plan_proposal", 0, "object", to="methotrexate 15 mg")),
        ("reasoning", _set("plan_proposal", 0, "interval_days", to=400)),
    ],
)
def test_an_answer_that_says_too_much_does_not_fit(agent: AgentName, change: Callable[[dict[str, Any]], None]) -> None:
    """Longer lists, twice the same, other grades, prose, a form's field, a dose, a confidence, a banned herb."""
    answer = copy.deepcopy(ANSWERS[agent])
    change(answer)
    assert not is_valid(agent, answer)


def test_reason_may_leave_the_tcm_block_empty_or_unwrapped() -> None:
    """``tcm: null`` out of scope; the short form for bundles that decide little."""
    assert is_valid("reasoning", {**ANSWERS["reasoning"], "tcm": None})
    assert is_valid("reasoning", {"syndrome": "blood_heat", "principle": ["clear_heat_cool_blood"]})
    assert not is_valid("reasoning", {"syndrome": "blood_heat", "tcm": None})


def test_an_answer_has_no_place_for_a_dose() -> None:
    """Section 5.4: the only number that Reason can write is an interval in days."""
    places = {path for path, rule in _leaves(SCHEMAS["reasoning.schema.json"]) if _is_number(rule)}
    assert places == {"plan_proposal.interval_days"}


def _leaves(rule: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, inner in rule.get("properties", {}).items():
        yield from _leaves(inner, f"{path}.{key}" if path else key)
    for inner in [*rule.get("anyOf", []), *([rule["items"]] if "items" in rule else [])]:
        yield from _leaves(inner, path)
    if not any(word in rule for word in ("properties", "anyOf", "items")):
        yield path, rule


def _is_number(rule: dict[str, Any]) -> bool:
    kind = rule.get("type", [])
    kinds = kind if isinstance(kind, list) else [kind]
    numbers = [value for value in rule.get("enum", []) if isinstance(value, int | float)]
    is_free_text = kinds == ["string"] and "pattern" not in rule  # a dose could be written in words
    return bool({"integer", "number"} & set(kinds)) or bool(numbers) or is_free_text


def test_the_form_s_schema_fits_forms_and_refuses_what_the_form_refuses() -> None:
    """The published form is the one that the program reads."""
    assert is_valid("intake", FORM)
    assert is_valid("intake", {})
    for wrong in ({"age_years": 130}, {"name": "x"}, {"sex": "m"}, {"danger_signs": {"jaundice": "maybe"}}):
        assert not is_valid("intake", {**FORM, **wrong}), wrong


def test_every_claim_and_field_of_the_sign_table_can_be_written() -> None:
    """A step that the table could support must not be forbidden by the schema."""
    step = SCHEMAS["reasoning.schema.json"]["anyOf"][0]["properties"]["reasoning_steps"]["items"]["properties"]
    pattern = re.compile(pointer_pattern(VOCABULARY.lists))
    table = SignTable.load()
    assert set(table.claims) <= set(step["claim"]["enum"])
    for claim in table.claims:
        for field in table.fields(claim):
            assert pattern.fullmatch(field.replace("view.", "view:12.")), field


@pytest.mark.parametrize("agent", AGENTS)
def test_the_shipped_bundle_stays_inside_the_published_schemas(shipped: Manifest, agent: AgentName) -> None:
    """Keys, order, ids, grades, list lengths, closed objects, and nothing that a complete answer needs is missing."""
    steps = shipped.agents[agent].steps
    assert len(steps) == len(VOCABULARY.agent_steps(agent))
    for step, name in zip(steps, VOCABULARY.agent_steps(agent), strict=True):
        assert step.output_schema is not None
        assert problems(step.output_schema, VOCABULARY.agent_schema(agent, name)) == []
    VOCABULARY.check_manifest(shipped)


def test_every_decided_field_of_the_shipped_bundle_can_decline(shipped: Manifest) -> None:
    """Section 0.2: a field with a choice ends with its nothing-value; a stance, a claim's shape, is none."""
    last = {}
    for agent in AGENTS:
        for step in shipped.agents[agent].steps:
            assert step.output_schema is not None
            rules: Any = step.output_schema["properties"]
            for field in step.decided_fields:
                if field in rules:
                    values = rules[field].get("items", rules[field]).get("enum")
                    last[field] = values[-1] if values else None
    assert len(last) >= 14
    assert set(last.values()) <= {"cannot_tell", "insufficient_information", None}


def _declared(shipped: Manifest) -> dict[str, Any]:
    schema = copy.deepcopy(shipped.agents["recognition"].steps[0].output_schema)
    assert schema is not None
    return schema


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set("properties", "family", "enum", to=["papulosquamous", "warts"]), "may answer family = warts"),
        (_set("properties", "induration", "enum", to=[0, 7]), "may answer induration = 7"),
        (_set("properties", "induration", "enum", to=[0, True]), "may answer induration = True"),
        (_set("properties", "colour", "maxItems", to=3), "may name 3 values of colour (at most 2)"),
        (_set("properties", "colour", "minItems", to=0), "may name 0 values of colour (at least 1)"),
        (_set("properties", "body_site", to={"enum": ["elbow"]}), "may answer body_site = elbow"),
        (_set("properties", "body_site", to={"type": "string"}), "may write the key body_site"),
        (_set("properties", "border", to={"type": "string"}), "may answer border with a string"),
        (_set("properties", "border", to={"pattern": "x"}), "may answer border with a value without a type"),
        (_set("properties", "narrative", to={"type": "string"}), "may write narrative longer than 400 characters"),
        (_set("additionalProperties", to=True), "may write any other key in its answer"),
        (
            _set("patternProperties", to={".*": {"type": "string"}}),
            "may answer anything: its output schema uses patternProperties",
        ),
        (
            _set("properties", "colour", "prefixItems", to=[{"type": "string"}]),
            "may answer colour: its output schema uses prefixItems",
        ),
        (_set("required", to=["applicability"]), "may leave out the key family"),
    ],
)
def test_a_declared_schema_that_goes_further_is_named(
    shipped: Manifest, change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    """Planted in the shipped bundle's own schema, each is found as the first problem."""
    schema = _declared(shipped)
    change(schema)
    assert problems(schema, VOCABULARY.agent_schema("recognition", "describe"))[0] == problem


def test_keys_in_another_order_are_named(shipped: Manifest) -> None:
    """The grammar writes in this order, and the model was trained on it."""
    schema = _declared(shipped)
    schema["properties"] = dict(reversed(schema["properties"].items()))
    found = problems(schema, VOCABULARY.agent_schema("recognition", "describe"))
    assert found == ["writes the keys of its answer in another order"]


def test_a_nested_declaration_is_judged_inside() -> None:
    """Reasoning steps of a bundle: its claims, its pointers, its number of steps."""
    step = {"claim": {"enum": ["blood_heat"]}, "stance": {"enum": ["supports"]}}
    evidence = {"type": "array", "items": {"enum": ["view:1.colour"]}, "minItems": 1, "maxItems": 1}
    inner = {
        "type": "object",
        "properties": {**step, "evidence": evidence},
        "required": ["claim", "stance", "evidence"],
        "additionalProperties": False,
    }
    steps = {"type": "array", "items": inner, "minItems": 3, "maxItems": 8}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"reasoning_steps": steps, "syndrome": {"enum": ["blood_heat"]}},
        "required": ["reasoning_steps", "syndrome"],
        "additionalProperties": False,
    }
    published = VOCABULARY.agent_schema("reasoning", "assess")
    assert problems(schema, published) == []
    evidence["items"] = {"enum": ["view:1.smell"]}
    assert problems(schema, published) == ["may answer reasoning_steps.evidence = view:1.smell"]
    evidence["items"] = {"enum": ["view:1.colour"]}
    steps["maxItems"] = 9
    assert problems(schema, published) == ["may name 9 values of reasoning_steps (at most 8)"]


@given(data=st.data())
def test_any_narrower_schema_is_a_subset_and_any_foreign_id_is_found(data: st.DataObject) -> None:
    """Property: leaving out ids, optional keys and list places never hurts; one more id always does."""
    published = VOCABULARY.agent_schema("recognition", "describe")
    schema = copy.deepcopy(published)
    for key, rule in published["properties"].items():
        mine = schema["properties"][key]
        if key not in published["required"] and data.draw(st.booleans()):
            del schema["properties"][key]
            continue
        if "maxLength" in rule:
            mine["maxLength"] = data.draw(st.integers(0, rule["maxLength"]))
            continue
        values = rule["items"]["enum"] if "items" in rule else rule["enum"]
        kept = data.draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
        mine.get("items", mine)["enum"] = kept
        if "items" in rule:
            mine["maxItems"] = data.draw(st.integers(1, rule["maxItems"]))
    assert problems(schema, published) == []
    key = data.draw(st.sampled_from(published["required"]))
    target = schema["properties"][key]
    target.get("items", target)["enum"] = [*target.get("items", target)["enum"], "foreign"]
    assert problems(schema, published) == [f"may answer {key} = foreign"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "properties", "items", "enum", "maxItems", "colour"]), inner)
    ),
    max_leaves=12,
)


@given(declared=st.dictionaries(st.sampled_from(["type", "properties", "items", "enum", "required"]), JSON))
def test_a_malformed_declaration_is_a_problem_and_never_a_crash(declared: dict[str, Any]) -> None:
    """A signed bundle may still hold any JSON where its schema should be; random shapes never pass as complete."""
    assert problems(declared, VOCABULARY.agent_schema("recognition", "describe"))


def test_schema_files_are_plain_json_with_a_line_end() -> None:
    """Read back, a file is the schema in the same key order."""
    for schema in SCHEMAS.values():
        text = schema_text(schema)
        assert text.endswith("}\n")
        assert json.dumps(json.loads(text)) == json.dumps(schema)
