"""docs/policy.md says what the code does: its sample is accepted, its defaults hold, the tests it names exist."""

from __future__ import annotations

import re

from edge_agent.contracts.policy import Policy, parse_policy
from edge_agent.policy.strictness import FLOOR, laxer_than
from tests.simulators.kiosk import ROOT

PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
TESTS = ROOT / "tests"
NO_ROW = {"schema_version", "version", "country", "authority", "issued"}


def test_the_sample_is_a_policy_that_devices_accept() -> None:
    """A ministry starts from it."""
    sample = re.search(r"<!-- sample policy.toml -->\s+```toml\n(.*?)```", PAGE, re.DOTALL)
    assert sample is not None
    policy = parse_policy(sample[1].encode())
    assert (policy.version, laxer_than(policy, FLOOR)) == (3, ())


def test_every_key_stands_in_the_table_with_its_default() -> None:
    """The row's second cell; words where the default is no single value."""
    rows = re.findall(r"^\| (`[a-z_0-9`, ]+`) \| ([^|]+) \|", PAGE, re.MULTILINE)
    told = {key: cell.strip() for keys, cell in rows for key in re.findall(r"`([a-z_0-9]+)`", keys)}
    assert set(told) == set(Policy.model_fields) - NO_ROW
    for key, cell in told.items():
        default = getattr(Policy(), key)
        if isinstance(default, bool | int | str):
            assert cell.strip("`") == str(default).replace("True", "true")
        elif isinstance(default, tuple):
            assert re.findall(r"`(\w+)`", cell) == list(default)


def test_every_rule_names_a_test_that_exists() -> None:
    """R1 to R16, in order, each with the function's name of a test."""
    rows = re.findall(r"^\| (R\d+) .*\| `(test_\w+)` \|$", PAGE, re.MULTILINE)
    assert [rule for rule, _ in rows] == [f"R{number}" for number in range(1, 17)]
    written = "".join(path.read_text(encoding="utf-8") for path in (TESTS / "unit").glob("test_policy_*.py"))
    assert [name for _, name in rows if f"def {name}(" not in written] == []


def test_every_attack_that_it_names_exists() -> None:
    """And no attack is left out."""
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    assert named == {path.name for path in (TESTS / "attacks" / "policy").glob("test_*.py")}
