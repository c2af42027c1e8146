"""Read what a checkpoint declares about its three agents: ``derm_edge.json`` beside config.json.

A checkpoint in Hugging Face layout does not say which prompts, schemas and thresholds it was tuned with.
This file does; it is written by whoever trained the adapters, and the build copies it into the manifest
after checking it against the tokenizer. Nothing here is guessed.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from tokenizers import Tokenizer

from calibration.side_branch.declared import DeclaredSideBranch
from edge_agent.agents import prompts
from edge_agent.contracts.manifest import (
    AGENTS,
    AgentInputs,
    AgentName,
    AgentSpec,
    CalibrationRecord,
    Evidence,
    RenderedPrompt,
    Step,
    Strict,
    Thresholds,
)
from edge_agent.contracts.side_branch import policy_problem
from edge_agent.contracts.text_contract import CoderSpec
from edge_agent.errors import ExportError

DECLARATION_NAME = "derm_edge.json"
_SAMPLE_TEXT = "colour bright_red\n舌红苔薄白"  # English, ids and Chinese: each splits by other rules


class DeclaredAgent(Strict):
    """One agent as its adapter was trained: what it sees, what it is asked, what it may answer.

    ``invocation`` is the text of the invocation tokens of an activated LoRA, None for a plain one; it must
    agree with the adapter's own configuration.
    """

    adapter: AgentName | None
    inputs: AgentInputs
    steps: list[Step] = Field(min_length=1)
    invocation: str | None = None


class BundleDeclaration(Strict):
    """The document ``derm_edge.json``.

    ``max_pixels`` lowers the checkpoint's own pixel budget (height x width in px); None keeps it.
    ``thresholds`` come from the calibration split, never from a test split. ``calibration`` says so and binds: every
    decided field then needs its entry in ``thresholds.fields``. ``evidence`` None declares for nobody in particular.
    ``coder`` asks the bare backbone about what the lexicon leaves open in the agents' texts; None is the lexicon alone.
    ``side_branch`` is for checkpoints of SkinGPT-R1's class, which need it.
    """

    schema_version: Literal[1]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([+-][A-Za-z0-9.-]+)?$")
    lineage: str
    clinical_use: bool = False
    notice: str
    licences: dict[str, str]
    languages: list[str] = Field(min_length=1)
    vocabulary_version: str
    max_pixels: int | None = Field(default=None, gt=0)
    agents: dict[AgentName, DeclaredAgent]
    thresholds: Thresholds
    evidence: Evidence | None = None
    calibration: CalibrationRecord | None = None
    side_branch: DeclaredSideBranch | None = None
    coder: CoderSpec | None = None


def load_declaration(folder: Path) -> BundleDeclaration:
    """Read ``derm_edge.json`` of a checkpoint folder.

    Raises:
        ExportError: missing, malformed, an unknown key (with a suggestion) or a value out of range.
    """
    path = folder / DECLARATION_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ExportError(f"{folder} has no {DECLARATION_NAME}; write one (docs/bundle-format.md)") from exc
    except (OSError, ValueError) as exc:
        raise ExportError(f"{path} is not JSON ({exc}); mend it") from exc
    return parse_declaration(document, source=str(path))


def parse_declaration(document: Any, *, source: str) -> BundleDeclaration:
    """Validate a declaration; see ``load_declaration`` for the error."""
    try:
        declaration = BundleDeclaration.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = ""
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            close = difflib.get_close_matches(str(first["loc"][0]), list(BundleDeclaration.model_fields), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ExportError(f"{source}: {where}: {first['msg']}{hint}") from exc
    for agent in AGENTS:
        if agent not in declaration.agents:
            raise ExportError(f"{source}: agents.{agent} is missing; all three agents must be declared")
    _check_structure(declaration, source=source)
    return declaration


def _check_structure(declaration: BundleDeclaration, *, source: str) -> None:
    fields: set[str] = set()
    for name, agent in declaration.agents.items():
        first = agent.steps[0].prompt
        placeholders = set(re.findall(r"\{([a-z_]+)\}", first))
        expected = set(agent.inputs.text) | ({"images"} if agent.inputs.images != "none" else set())
        if placeholders != expected:
            raise ExportError(
                f"{source}: the first prompt of {name} holds {sorted(placeholders)}, its inputs are {sorted(expected)}"
            )
        if agent.invocation is not None and agent.invocation not in first:
            raise ExportError(f"{source}: the first prompt of {name} lacks its invocation {agent.invocation!r}")
        for step in agent.steps:
            where = f"{source}: agents.{name}.{step.name}"
            _check_step(step, where=where)
            fields |= {f"{name}.{field}" for field in step.decided_fields}
    branch = declaration.side_branch
    if branch is not None:
        problem = policy_problem(declaration.agents.items(), policy=branch.policy, images=branch.images)
        if problem is not None:
            raise ExportError(f"{source}: {problem}")
    if declaration.calibration is not None and (missing := sorted(fields - set(declaration.thresholds.fields))):
        raise ExportError(f"{source}: calibration is claimed but thresholds.fields.{missing[0]} is missing; fit it")
    unknown = sorted(set(declaration.thresholds.fields) - fields)
    if unknown:
        raise ExportError(f"{source}: thresholds.fields.{unknown[0]} is no decided field; remove it")


def _check_step(step: Step, *, where: str) -> None:
    if step.contract == "text":
        if step.output_schema is not None or step.decided_fields:
            raise ExportError(f"{where}: a text contract has neither output_schema nor decided_fields; remove them")
        if not re.fullmatch(r"[a-z0-9_]{1,64}", step.name):
            raise ExportError(f"{where}: a text's step stands in the report by its name; write it like describe_view")
        return
    choices = [choice.field for choice in enum_choices(step)]
    for field in step.decided_fields:
        if field not in choices:
            raise ExportError(f"{where}: decided field {field} has no enum of two or more values")
    for field in choices:
        if field not in step.decided_fields:
            raise ExportError(f"{where}: {field} has several values but is not in decided_fields; add it")


@dataclass(frozen=True, slots=True)
class Choice:
    """One field with two or more ``values``; ``field`` is its dotted name inside objects; ``is_list`` of such values."""

    field: str
    values: tuple[Any, ...]
    is_list: bool


def enum_choices(step: Step) -> Iterator[Choice]:
    """Yield the fields of a step's schema that have two or more values, in the order of generation.

    What stands in a list of objects (the reasoning steps) is left out: one answer decides it several times, and it is
    judged by its evidence, not by a probability.
    """
    yield from _choices(step.output_schema or {}, above="")


def _choices(schema: Mapping[str, Any], *, above: str) -> Iterator[Choice]:
    properties = schema.get("properties", {})
    for field, rule in properties.items() if isinstance(properties, dict) else ():
        values = rule.get("enum", (rule.get("items") or {}).get("enum", []))
        if len(values) > 1:
            yield Choice(f"{above}{field}", tuple(values), is_list="items" in rule)
        yield from _choices(rule, above=f"{above}{field}.")


def check_answers(declaration: BundleDeclaration, tokenizer: Tokenizer) -> None:
    """Check the schemas against the tokenizer: values part at one token, the longest answer fits its budget.

    Values of a decided field that share their first own token would mix two values in one probability.

    Raises:
        ExportError: naming the agent, the field and the two values, or the step and its longest answer.
    """
    for name, agent in declaration.agents.items():
        for step in agent.steps:
            _check_budget(step, agent=name, tokenizer=tokenizer)
            for choice in enum_choices(step):
                clash = _first_clash([_tokens_of(choice, value, tokenizer=tokenizer) for value in choice.values])
                if clash is not None:
                    left, right = (json.dumps(choice.values[index]) for index in clash)
                    raise ExportError(
                        f"{name}.{choice.field}: {left} and {right} begin with the same token; rename one or extend the "
                        "tokenizer"
                    )


def _check_budget(step: Step, *, agent: str, tokenizer: Tokenizer) -> None:
    if step.output_schema is None:
        return
    try:
        longest = _longest(step.output_schema, tokenizer)
    except KeyError:
        return  # a free field has no longest value; its budget cuts it off
    count = len(tokenizer.encode(_dump(longest), add_special_tokens=False).ids)
    if count > step.generation.max_tokens:
        raise ExportError(
            f"{agent}.{step.name}: its longest answer has {count} tokens, max_tokens is {step.generation.max_tokens}; raise it"
        )


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _longest(rule: Mapping[str, Any], tokenizer: Tokenizer) -> Any:
    """Return a longest answer to a schema; KeyError where it has an open end."""
    if "enum" in rule:
        return max(rule["enum"], key=lambda value: len(tokenizer.encode(_dump(value), add_special_tokens=False).ids))
    if rule.get("type") == "array":
        return [_longest(rule["items"], tokenizer)] * rule["maxItems"]
    return {name: _longest(inner, tokenizer) for name, inner in rule["properties"].items()}


def _tokens_of(choice: Choice, value: Any, *, tokenizer: Tokenizer) -> list[int]:
    text = _dump({choice.field.rpartition(".")[2]: [value] if choice.is_list else value, "z": 0})
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def _first_clash(rows: Sequence[list[int]]) -> tuple[int, int] | None:
    shortest = min(len(row) for row in rows)
    depth = next((d for d in range(shortest) if len({row[d] for row in rows}) > 1), shortest - 1)
    seen: dict[int, int] = {}
    for index, row in enumerate(rows):
        if row[depth] in seen:
            return seen[row[depth]], index
        seen[row[depth]] = index
    return None


def agent_specs(declaration: BundleDeclaration, tokenizer: Tokenizer) -> dict[AgentName, AgentSpec]:
    """Return the manifest's agents, each with one rendered prompt and its token ids."""
    specs: dict[AgentName, AgentSpec] = {}
    for name in AGENTS:
        agent = declaration.agents[name]
        text = prompts.fill(
            agent.steps[0].prompt,
            images=0 if agent.inputs.images == "none" else 1,
            texts=dict.fromkeys(agent.inputs.text, _SAMPLE_TEXT),
        )
        ids = list(tokenizer.encode(text, add_special_tokens=False).ids)
        specs[name] = AgentSpec(
            adapter=agent.adapter,
            inputs=agent.inputs,
            steps=agent.steps,
            rendered_prompt=RenderedPrompt(text=text, token_ids=ids),
        )
    return specs
