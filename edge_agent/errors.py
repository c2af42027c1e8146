"""Errors named for what the caller does next.

The tree (exit code in brackets; ``retryable`` marked with *)::

    EdgeError
    ├── ConfigError [10]            mend the configuration file
    ├── CameraError [20] *          look at the camera
    ├── PictureError [21]           bring another picture
    ├── CaseError [22]              mend the intake or consent file
    ├── AccountError [23]           another name, role or PIN
    │   └── PinRefused [24]         wrong, too early or locked
    ├── PrintError [26] *           print again, or without pictures
    ├── InferenceError [30]         the engine failed on this case
    │   └── ContractError [31]      the model's text does not fit its declared contract
    ├── DaemonError [40] *          start the daemon, or look at its log
    ├── StoreError [50]
    │   ├── StoreFull [51] *        free disk space
    │   ├── StoreCorrupt [52]       restore or re-enrol; nothing is overwritten
    │   └── ImageGone [53]          nothing; the picture was deleted for good
    ├── UplinkError [60] *          wait for the connection
    │   └── UplinkRefused [61]      the broker or the hub said no
    ├── UpdateError [78]
    │   ├── FetchError [71] *
    │   ├── RejectedError [72]      the bundle is not trusted as it is
    │   │   ├── SignatureRejected [73]
    │   │   ├── ExpiredRejected [74]
    │   │   ├── VersionRejected [75]
    │   │   ├── LengthOrHashRejected [76]
    │   │   └── Incompatible [77]   right bundle, wrong device or backbone
    │   └── ActivationError [79]    roll back
    ├── HubError [65] *             the central side cannot do it now
    └── CalibrationError [80]
        ├── ExportError [81]
        ├── CompressionError [82]
        └── QualityGateError [83]

A programmer's mistake is a RuntimeError, never one of these; the command line ends 70 on it. Vendor exceptions
are translated once, in the module that wraps the vendor, with ``from exc``.
"""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """Tell a person in one line what went wrong and what to do.

    Args:
        message: one line; says what to do next.
        **details: facts for the diagnosis (never patient data).
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details

    def diagnostics(self) -> dict[str, object]:
        """Return the facts for a log line: class, message, retryable and details."""
        return {
            "error": type(self).__name__,
            "message": str(self),
            "retryable": self.retryable,
            **self.details,
        }


class ConfigError(EdgeError):
    """The configuration cannot be used as written."""

    exit_code = 10


class CameraError(EdgeError):
    """The camera gives no usable frame."""

    exit_code = 20
    retryable = True


class PictureError(EdgeError):
    """A picture file cannot be used as a view."""

    exit_code = 21


class CaseError(EdgeError):
    """The intake or consent does not fit its schema, or the case may not be processed."""

    exit_code = 22


class AccountError(EdgeError):
    """An account cannot be made, changed or used like this; ``reason`` in the details names why."""

    exit_code = 23


class PinRefused(AccountError):
    """The PIN is wrong, comes too early (``wait_s``), or the account is locked (``left`` is 0)."""

    exit_code = 24


class PrintError(EdgeError):
    """A page could not be printed; the case is not touched."""

    exit_code = 26
    retryable = True


class InferenceError(EdgeError):
    """The engine could not finish; the case stays stored and can be run again."""

    exit_code = 30


class ContractError(InferenceError):
    """A model's output does not fit the contract that its manifest declares."""

    exit_code = 31


class DaemonError(EdgeError):
    """The daemon does not answer, or broke off; nothing that it had stored is lost."""

    exit_code = 40
    retryable = True


class StoreError(EdgeError):
    """The encrypted store refused an operation; nothing was lost."""

    exit_code = 50


class StoreFull(StoreError):
    """No disk space is left for a durable write."""

    exit_code = 51
    retryable = True


class StoreCorrupt(StoreError):
    """The database cannot be read with this key; it is left untouched."""

    exit_code = 52


class ImageGone(StoreError):
    """The picture's key was deleted: withdrawn, or its time had come. Nobody can open it any more."""

    exit_code = 53


class UplinkError(EdgeError):
    """No exchange with the hub now; rows stay queued."""

    exit_code = 60
    retryable = True


class UplinkRefused(UplinkError):
    """The broker or the hub refused; retrying the same thing will not help."""

    exit_code = 61
    retryable = False


class HubError(EdgeError):
    """The central side cannot store or serve now."""

    exit_code = 65
    retryable = True


class UpdateError(EdgeError):
    """A bundle cannot be brought into use."""

    exit_code = 78


class FetchError(UpdateError):
    """A download did not finish; it can be resumed."""

    exit_code = 71
    retryable = True


class RejectedError(UpdateError):
    """A bundle is not trusted as it is."""

    exit_code = 72


class SignatureRejected(RejectedError):
    """No configured key signed this manifest."""

    exit_code = 73


class ExpiredRejected(RejectedError):
    """The metadata is out of date."""

    exit_code = 74


class VersionRejected(RejectedError):
    """The schema or release counter is not one this program accepts."""

    exit_code = 75


class LengthOrHashRejected(RejectedError):
    """A file differs from the one that was signed."""

    exit_code = 76


class Incompatible(RejectedError):
    """The bundle is sound but does not fit this device, profile or backbone."""

    exit_code = 77


class ActivationError(UpdateError):
    """The new bundle failed its checks after the switch."""

    exit_code = 79


class CalibrationError(EdgeError):
    """The workstation could not make the bundle; no artifact was written."""

    exit_code = 80


class ExportError(CalibrationError):
    """The checkpoint could not be exported."""

    exit_code = 81


class CompressionError(CalibrationError):
    """The compressed model does not match its recipe."""

    exit_code = 82


class QualityGateError(CalibrationError):
    """A quality gate failed; no bundle was written."""

    exit_code = 83
