"""Somebody with the right key signs what this program never allows."""

from __future__ import annotations

import pytest

from edge_agent.errors import Incompatible, RejectedError
from tests.attacks.policy.refused import refused
from tests.simulators.policies import Ministry, policy_text


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('intimate_photo_minor = "clinician_present"', "intimate_photo_minor"),
        ('breast_photo_minor = "allowed"', "breast_photo_minor"),
        ('face_photo = "allowed"', "face_photo"),
        ('tongue_photo = "on"', "tongue_photo"),
        ("tattoo_or_birthmark_warning = false", "tattoo_or_birthmark_warning"),
        ("witness_required_if_illiterate = false", "witness_required_if_illiterate"),
        ("retention_refused_frame_hours = 1", "retention_refused_frame_hours"),
        ('sync_results = "always"', "sync_results"),
        ('share_images = "always"', "share_images"),
        ('training_use = "on"', "training_use"),
        ("age_of_consent_years = -1", "age_of_consent_years"),
        ('age_of_consent_years = "16"', "age_of_consent_years"),
        ("version = true", "version"),
    ],
)
def test_a_value_that_no_file_can_name(signed: Ministry, line: str, key: str) -> None:
    """A value outside the list is no value; the line names the key."""
    text = policy_text(line, version=6)
    if key == "version":
        text = text.replace("version = 6\n", "", 1)
    signed.publish(text)
    refused(signed, RejectedError, f"policy: {key}: ")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('intimate_photo_adult = "allowed"', "intimate_photo_adult"),
        ("age_of_consent_years = 15", "age_of_consent_years"),
        ("guardian_data_consent_below_years = 13", "guardian_data_consent_below_years"),
        ("child_assent_from_years = 8", "child_assent_from_years"),
        ("retention_record_years = 6", "retention_record_years"),
        ("retention_record_child_until_age_years = 17", "retention_record_child_until_age_years"),
        ("retention_images_days_after_signoff = 366", "retention_images_days_after_signoff"),
        ("retention_unconsented_draft_hours = 25", "retention_unconsented_draft_hours"),
        ("audit_log_months_min = 5", "audit_log_months_min"),
        ("t4_deadline_weeks = 13", "t4_deadline_weeks"),
        ("session_timeout_min = 16", "session_timeout_min"),
        ("screen_blank_s = 61", "screen_blank_s"),
        ('second_reader_required = ["dark_tone", "minor", "abstained", "T3"]', "second_reader_required"),
        ("second_reader_required = []", "second_reader_required"),
    ],
)
def test_a_value_one_step_beyond_the_floor(signed: Ministry, line: str, key: str) -> None:
    """The floor holds against the ministry itself; the line names the key."""
    signed.publish(policy_text(line, version=6))
    refused(signed, RejectedError, f"laxer than this program allows in {key};")


def test_training_under_a_text_that_does_not_ask_for_it(signed: Ministry) -> None:
    """R15: the shipped text says that nothing is used, so nothing may be used."""
    signed.publish(policy_text('training_use = "separate_consent"', version=6))
    refused(signed, RejectedError, r"opens training \(training_use\) further than the consent text")


def test_training_under_a_text_that_nobody_has(signed: Ministry) -> None:
    """R15: naming a new version does not make the text."""
    lines = ('training_use = "separate_consent"', "[consent_versions]", 'training = "2"')
    signed.publish(policy_text(*lines, version=6))
    refused(signed, Incompatible, "consent text training 2, this program brings 1")
