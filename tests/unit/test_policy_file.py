"""The policy file: strict defaults, values with units, and a floor that knows every key."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.sign import sign_policy
from edge_agent.config import parse_config
from edge_agent.contracts.keys import load_keys
from edge_agent.contracts.policy import Policy, parse_policy
from edge_agent.errors import ConfigError, ExportError, RejectedError
from edge_agent.policy import strictness
from edge_agent.policy.consent_texts import ConsentText
from edge_agent.policy.load import load_policy, verify_policy
from edge_agent.policy.strictness import FLOOR, laxer_than
from tests.simulators.policies import Ministry, ministry, policy_text

ORDERED = (*strictness.SMALLER_IS_LAXER, *strictness.LARGER_IS_LAXER, *strictness.STRICT_TO_LAX, *strictness.SETS)


@pytest.fixture
def device(tmp_path: Path) -> Ministry:
    """A device that trusts one ministry and has seen no file."""
    return ministry(tmp_path)


def test_the_defaults_are_those_of_section_14() -> None:
    """Clinical vocabulary section 14, value for value; the names carry their units."""
    section_14: dict[str, Any] = {
        "age_of_consent_years": 18,
        "guardian_data_consent_below_years": 14,
        "intimate_photo_adult": "clinician_present",
        "intimate_photo_minor": "never",
        "breast_photo_minor": "never",
        "face_photo": "ask_each_time",
        "tongue_photo": "off",
        "tattoo_or_birthmark_warning": True,
        "sync_results": "consented_only",
        "share_images": "separate_consent",
        "training_use": "off",
        "retention_record_years": 15,
        "retention_images_days_after_signoff": 365,
        "retention_unconsented_draft_hours": 24,
        "audit_log_months_min": 6,
        "witness_required_if_illiterate": True,
        "second_reader_required": ("dark_tone", "minor", "abstained", "T3", "remission"),
    }
    assert {key: getattr(Policy(), key) for key in section_14} == section_14


def test_no_file_at_all_means_the_strict_defaults(device: Ministry) -> None:
    """A device that never had a policy is not laxer than one that has."""
    found = device.without_file().load()
    assert (found.origin, found.policy, found.signed_by, found.refusal) == ("built_in", Policy(), None, None)


def test_a_signed_file_is_read_and_its_signer_named(device: Ministry) -> None:
    """What is left out keeps its default."""
    device.publish(policy_text("retention_record_years = 20", 'emergency_number = "120"'))
    found = device.load()
    assert (found.origin, found.signed_by) == ("file", "ministry key")
    assert (found.policy.retention_record_years, found.policy.emergency_number) == (20, "120")
    assert found.policy.retention_images_days_after_signoff == 365


def test_a_newer_file_replaces_the_older(device: Ministry) -> None:
    """Versions go up; the same one again is no change."""
    for version in (1, 1, 2, 7):
        device.publish(policy_text(version=version))
        assert device.load().policy.version == version


def test_a_file_at_the_default_place_is_read(device: Ministry) -> None:
    """Nobody has to name it; /etc/derm-edge/policy.dsse.json on a real device."""
    device.publish(policy_text(version=3))
    assert load_policy(device.without_file().config, default=device.file).policy.version == 3


def test_a_new_text_opens_a_purpose_together_with_its_version(device: Ministry) -> None:
    """R15: with a text that asks about it, a ministry may open training; under the old text it may not."""
    lines = ('training_use = "separate_consent"', "[consent_versions]", 'training = "2"')
    device.publish(policy_text(*lines))
    keys = load_keys_of(device)
    asked = [ConsentText("training", "2", "separate_consent"), *others()]
    assert verify_policy(device.file.read_bytes(), keys=keys, texts=asked)[0].training_use == "separate_consent"
    silent = [ConsentText("training", "2", "off"), *others()]
    with pytest.raises(RejectedError, match="new consent version"):
        verify_policy(device.file.read_bytes(), keys=keys, texts=silent)


def load_keys_of(device: Ministry) -> Any:
    """Return the keys that the device trusts."""
    return load_keys(device.config.policy_keys_dir)


def others() -> list[ConsentText]:
    """Return the two other purposes that a key opens, as they are shipped."""
    return [
        ConsentText("deidentified_result", "1", "consented_only"),
        ConsentText("referral_package", "1", "separate_consent"),
    ]


def test_every_key_is_ordered_or_named_as_without_order() -> None:
    """A new key without a place here would be a hole in the floor."""
    assert sorted([*ORDERED, *strictness.NOT_COMPARED]) == sorted(Policy.model_fields)


def test_the_defaults_are_within_the_floor_and_no_policy_is_laxer_than_itself() -> None:
    """Else a device without a file would be laxer than one with the laxest."""
    assert laxer_than(Policy(), FLOOR) == ()
    assert laxer_than(FLOOR, FLOOR) == ()
    assert laxer_than(Policy(), Policy()) == ()


@settings(max_examples=200)
@given(st.sampled_from([*strictness.SMALLER_IS_LAXER, *strictness.LARGER_IS_LAXER]), st.integers(1, 5))
def test_one_step_is_laxer_in_one_direction_alone(key: str, step: int) -> None:
    """For every number: the step that is laxer is named, alone, and its opposite is not."""
    sign = -1 if key in strictness.SMALLER_IS_LAXER else 1
    base = Policy.model_construct(**{**Policy().__dict__, key: 50})
    laxer = base.model_copy(update={key: 50 + sign * step})
    stricter = base.model_copy(update={key: 50 - sign * step})
    assert laxer_than(laxer, base) == (key,)
    assert laxer_than(stricter, base) == ()


@pytest.mark.parametrize("key", strictness.STRICT_TO_LAX)
def test_each_choice_is_ordered_from_strict_to_lax(key: str) -> None:
    """The order is that of the values' type; every value has its place."""
    order = strictness.STRICT_TO_LAX[key]
    allowed = get_args(Policy.model_fields[key].annotation)
    assert set(allowed) <= set(order)
    for first, second in itertools.pairwise(order):
        lax, strict = (Policy().model_copy(update={key: value}) for value in (second, first))
        assert laxer_than(lax, strict) == (key,)
        assert laxer_than(strict, lax) == ()


def test_the_configuration_names_the_file_and_its_keys() -> None:
    """``policy_file`` and ``policy_keys_dir``; the keys of bundles are others."""
    config = parse_config('policy_file = "/etc/p.dsse.json"\npolicy_keys_dir = "/etc/keys"\n', name="c")
    assert (config.policy_file, config.policy_keys_dir) == (Path("/etc/p.dsse.json"), Path("/etc/keys"))
    assert config.keys_dir != config.policy_keys_dir
    assert parse_config("", name="c").policy_file is None


def test_signing_makes_what_a_device_accepts(device: Ministry) -> None:
    """The workstation's command and the device agree; comments of the text stay in the envelope."""
    source = device.folder / "policy.toml"
    source.write_text(policy_text("# as decided in March", "screen_blank_s = 30"))
    signed = sign_policy(source, private_key=device.private_key, out=device.file)
    assert device.load().policy == signed == parse_policy(source.read_bytes())
    assert not list(device.folder.glob("*.tmp"))


def test_signing_refuses_what_no_device_would_accept(device: Ministry) -> None:
    """The ministry learns it at its desk; nothing is written."""
    source = device.folder / "policy.toml"
    for line, match in (("audit_log_months_min = 1", "laxer than any device allows in audit_log_months_min"), ("x = 1", "unknown key 'x'")):  # fmt: skip
        source.write_text(policy_text(line))
        with pytest.raises(RejectedError, match=match):
            sign_policy(source, private_key=device.private_key, out=device.file)
    assert not device.file.exists()
    with pytest.raises(ConfigError, match="cannot read the policy"):
        sign_policy(device.folder / "none.toml", private_key=device.private_key, out=device.file)
    source.write_text(policy_text())
    with pytest.raises(ExportError, match="cannot write"):
        sign_policy(source, private_key=device.private_key, out=device.folder / "no" / "p.json")


def test_a_refused_first_file_leaves_the_strict_defaults(device: Ministry) -> None:
    """The daemon goes on taking cases, and says why the file does not count."""
    device.file.write_text(policy_text())
    found = device.in_force()
    assert (found.origin, found.policy) == ("built_in", Policy())
    assert found.refusal is not None
    assert "not a DSSE envelope" in found.refusal
