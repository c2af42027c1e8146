"""A file says something that this program does not know: it would be signed and not followed."""

from __future__ import annotations

import pytest

from edge_agent.errors import RejectedError, VersionRejected
from tests.attacks.policy.refused import refused
from tests.simulators.policies import HEAD, Ministry, policy_text


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('intimate_foto_minor = "never"', "unknown key 'intimate_foto_minor'; did you mean 'intimate_photo_minor'"),
        ("zzz = 1", "unknown key 'zzz'; remove it"),
        ('[consent_versions]\ncare_picture = "1"', "'consent_versions.care_picture'; did you mean 'care_pictures'"),
        ("face_photo = ", "not valid TOML"),
        ('second_reader_required = ["minor", "minor"]', "second_reader_required: names a reason twice"),
    ],
)
def test_an_unknown_key(signed: Ministry, line: str, match: str) -> None:
    """A misspelt key is refused with its right spelling; it never falls back to a default in silence."""
    signed.publish(policy_text(line, version=6))
    refused(signed, RejectedError, match)


@pytest.mark.parametrize("key", ["version", "country", "authority", "issued"])
def test_a_file_that_does_not_say_who_and_when(signed: Ministry, key: str) -> None:
    """The four keys of its origin have no default in a file."""
    lines = [line for line in HEAD.format(6).splitlines() if not line.startswith(f"{key} ")]
    signed.publish("\n".join(lines) + "\n")
    refused(signed, RejectedError, f"lacks the key {key}")


@pytest.mark.parametrize("schema", ["2", '"1"', "true"])
def test_another_schema(signed: Ministry, schema: str) -> None:
    """A later program's file is not half understood."""
    signed.publish(policy_text(version=6).replace("schema_version = 1", f"schema_version = {schema}"))
    refused(signed, VersionRejected, "this program reads 1")
