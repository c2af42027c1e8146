"""The policy file: what a ministry decides about consent, pictures, sharing and retention; the defaults are strict.

Says what may stand in ``policy.toml`` and reads its text. Does not verify a signature (``edge_agent.policy.load``), does
not compare strictness (``edge_agent.policy.strictness``) and applies no rule (``edge_agent.policy.rules``).

Source: clinical-vocabulary section 14 and policy R1 to R16 (neither reviewed by a lawyer or a clinician).
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edge_agent.contracts.consent_values import ConsentPurpose
from edge_agent.errors import RejectedError, VersionRejected

PAYLOAD_TYPE = "application/vnd.derm-edge.policy+toml"
SCHEMA_VERSION = 1
MAX_POLICY_BYTES = 64 * 1024
BUILT_IN_VERSION = 0  # of the strict defaults; a signed file counts from 1
ADULT_YEARS = 18  # R4 never goes below it, whatever the country's age of consent is

# Each from strict to lax. A value that is left out here is refused as unknown: no file can name it.
IntimateAdult = Literal["never", "clinician_present", "allowed"]
NeverPhoto = Literal["never"]
FacePhoto = Literal["off", "ask_each_time"]
SyncResults = Literal["off", "consented_only"]
ShareImages = Literal["off", "separate_consent"]
TrainingUse = Literal["off", "separate_consent"]
SecondReader = Literal["dark_tone", "minor", "abstained", "T3", "remission"]
SECOND_READER: tuple[SecondReader, ...] = get_args(SecondReader)
Version = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$")]
Shown = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    # Strict: "18" is not 18 and 1 is not true. What a ministry signs means what it says.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ConsentVersions(_Part):
    """Name the version of the text that is read aloud for each purpose (R2, R15); one per purpose, none left out."""

    care_pictures: Version = "1"
    program_help: Version = "1"
    deidentified_result: Version = "1"
    referral_package: Version = "1"
    training: Version = "1"

    def of(self, purpose: ConsentPurpose) -> str:
        """Return the version in force for one purpose."""
        return str(getattr(self, purpose))


class Policy(_Part):
    """Hold the values of one policy file; ``Policy()`` is the built-in strict one.

    Keys that allow one value only are in the file so that whoever signs it has read them.
    """

    schema_version: Literal[1] = 1
    version: int = Field(default=BUILT_IN_VERSION, ge=0)  # of this file; it only ever goes up
    country: str = Field(default="ZZ", pattern=r"^[A-Z]{2}$")  # ISO 3166-1 alpha-2; ZZ: no country
    authority: Shown = "built-in strict defaults"
    issued: date = date(2026, 1, 1)
    valid_until: date | None = None  # the last day; a new file is due then, and until it comes this one holds

    age_of_consent_years: int = Field(default=18, ge=0, le=25)
    guardian_data_consent_below_years: int = Field(default=14, ge=0, le=25)  # PIPL Art. 28 [S 44]
    child_assent_from_years: int = Field(default=7, ge=0, le=25)  # younger: the guardian alone [K]
    witness_required_if_illiterate: Literal[True] = True
    consent_versions: ConsentVersions = ConsentVersions()

    intimate_photo_adult: IntimateAdult = "clinician_present"
    intimate_photo_minor: NeverPhoto = "never"
    breast_photo_minor: NeverPhoto = "never"
    face_photo: FacePhoto = "ask_each_time"
    tongue_photo: FacePhoto = "off"
    tattoo_or_birthmark_warning: Literal[True] = True

    sync_results: SyncResults = "consented_only"
    share_images: ShareImages = "separate_consent"
    training_use: TrainingUse = "off"
    second_reader_required: tuple[SecondReader, ...] = SECOND_READER

    retention_record_years: int = Field(default=15, ge=0, le=100)  # outpatient records, China [S 45]
    retention_record_child_until_age_years: int = Field(default=25, ge=0, le=100)  # longer for children [S 46], [K]
    retention_images_days_after_signoff: int = Field(default=365, ge=0)
    retention_unconsented_draft_hours: int = Field(default=24, ge=0)
    retention_refused_frame_hours: Literal[0] = 0
    audit_log_months_min: int = Field(default=6, ge=0)

    t4_deadline_weeks: int = Field(default=12, ge=1)
    session_timeout_min: int = Field(default=10, ge=1)
    screen_blank_s: int = Field(default=60, ge=1)

    safeguarding_contact: Shown | None = None  # words for the screen: whom to call (R9)
    emergency_number: Shown | None = None  # words for the screen: whom to call at a danger sign

    @field_validator("second_reader_required", mode="before")
    @classmethod
    def _list_without_doubles(cls, value: object) -> object:
        """Take TOML's list; refuse a reason that stands twice."""
        if not isinstance(value, list | tuple):
            return value
        if len({str(one) for one in value}) != len(value):
            raise ValueError("names a reason twice: remove one")
        return tuple(value)

    @property
    def minor_below_years(self) -> int:
        """Return the age under which a person is a minor for R4: never below 18, and the country's age if higher."""
        return max(ADULT_YEARS, self.age_of_consent_years)

    @property
    def routine_deadline_hours(self) -> int:
        """Return by when a case of tier T4 must have been read, in hours from the visit."""
        return self.t4_deadline_weeks * 7 * 24

    def is_expired(self, today: date) -> bool:
        """Say whether the authority wanted it looked at again by now; its rules hold all the same."""
        return self.valid_until is not None and today > self.valid_until


def parse_policy(text: bytes) -> Policy:
    """Parse the text of a policy file that somebody signs or has signed; says nothing about who signed it.

    Every value that is left out is the strict default. ``version``, ``country``, ``authority`` and ``issued`` must be
    there: a file that does not say who made it, and when, cannot be told from another.

    Raises:
        VersionRejected: another schema version, or no version of its own from 1 on.
        RejectedError: no TOML, an unknown key, or a value that is not accepted; the line names the key.
    """
    try:
        document = tomllib.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as exc:
        raise RejectedError(f"the policy is not valid TOML ({exc}); mend it and sign it again") from exc
    schema = document.get("schema_version")
    if schema != SCHEMA_VERSION or isinstance(schema, bool):
        raise VersionRejected(
            f"the policy has schema_version {str(schema)[:20]}, this program reads {SCHEMA_VERSION}; update derm-edge or mend it"
        )
    for key in ("version", "country", "authority", "issued"):
        if key not in document:
            raise RejectedError(f"the policy lacks the key {key}; add it and sign it again")
    try:
        policy = Policy.model_validate(document)
    except ValidationError as exc:
        raise RejectedError(_explain(exc)) from exc
    if policy.version <= BUILT_IN_VERSION:
        raise VersionRejected("the policy's version must be 1 or higher: count up with every file that you sign")
    return policy


def _explain(error: ValidationError) -> str:
    """Turn pydantic's first error into one line: the key, and what to write instead."""
    first: Any = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    dotted = ".".join(place)
    if first["type"] == "extra_forbidden":
        model = ConsentVersions if len(place) > 1 else Policy
        close = difflib.get_close_matches(place[-1], list(model.model_fields), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "remove it"
        return f"policy: unknown key {dotted!r}; {hint}"
    reason = str(first["msg"]).removeprefix("Value error, ").lower()
    return f"policy: {dotted}: {reason}; mend it and sign it again"
