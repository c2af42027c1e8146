"""What the kiosk's browser may do: the policy file is installed like its neighbours, and says what Chromium understands."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import ActivationError
from edge_agent.installation.layout import Layout
from tests.simulators.slot_program import KEYS, Kiosk
from tests.simulators.tiny_package import program_package

SHIPPED = Path(__file__).resolve().parents[2] / "edge_agent" / "system" / "derm-edge.chromium.json"
NAME = "derm-edge.chromium.json"
PLACE = "etc/chromium/policies/managed/derm-edge.json"
LIST, YES_NO, AUTOFILL = "list", (True, False), "autofill"
# Every key, with the values that Chromium knows for it: chromium/chromium, components/policy/resources/templates/
# policy_definitions (Printing/PrinterTypeDenyList.yaml, Miscellaneous/*.yaml); seen as "OK" by chrome://policy of Debian's
# Chromium 156. The two Autofill*Enabled are deprecated there, and older ones know no AutofillSettings: both stand in the file.
KNOWN: dict[str, Any] = {
    "URLBlocklist": LIST,
    "URLAllowlist": LIST,
    "PrinterTypeDenyList": LIST,
    "ExtensionInstallBlocklist": LIST,
    "DownloadRestrictions": (0, 1, 2, 3, 4),
    "DeveloperToolsAvailability": (0, 1, 2),
    "IncognitoModeAvailability": (0, 1, 2),
    "BrowserSignin": (0, 1, 2),
    "NetworkPredictionOptions": (0, 1, 2),
    "SafeBrowsingProtectionLevel": (0, 1, 2),
    "DefaultGeolocationSetting": (1, 2, 3),
    "DefaultNotificationsSetting": (1, 2, 3),
    "DefaultPopupsSetting": (1, 2),
    "AutofillSettings": AUTOFILL,
    **dict.fromkeys(
        [
            "PromptForDownloadLocation", "BrowserGuestModeEnabled", "BrowserAddPersonEnabled", "SyncDisabled",
            "SavingBrowserHistoryDisabled", "PasswordManagerEnabled", "AutofillAddressEnabled",
            "AutofillCreditCardEnabled", "TranslateEnabled", "SpellCheckServiceEnabled", "DefaultSearchProviderEnabled",
            "SearchSuggestEnabled", "MetricsReportingEnabled", "UserFeedbackAllowed", "ComponentUpdatesEnabled",
            "BrowserNetworkTimeQueriesEnabled", "BackgroundModeEnabled", "AudioCaptureAllowed", "VideoCaptureAllowed",
            "ScreenCaptureAllowed", "EnableMediaRouter",
        ],
        YES_NO,
    ),
}  # fmt: skip


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    """A computer without the program."""
    root = tmp_path / "root"
    root.mkdir()
    return Kiosk(Layout(root))


def test_it_is_installed_where_debian_s_chromium_reads_it(kiosk: Kiosk, tmp_path: Path) -> None:
    """Byte by byte, and readable for the session's own user."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0", system={NAME: SHIPPED}), keys=KEYS)
    placed = kiosk.layout.root / PLACE
    assert placed.read_bytes() == SHIPPED.read_bytes()
    for path in (placed, *placed.parents):
        if path.is_relative_to(kiosk.layout.root) and path != kiosk.layout.root:
            assert stat.S_IMODE(path.stat().st_mode) & 0o005 == (0o005 if path.is_dir() else 0o004)


def test_it_goes_with_a_first_installation_that_failed(kiosk: Kiosk, tmp_path: Path) -> None:
    """Like the units: nothing of a program that never worked stays in the browser's way."""
    with pytest.raises(ActivationError):
        kiosk.installer().bring(
            program_package(tmp_path, version="1.0", works=False, system={NAME: SHIPPED}), keys=KEYS
        )
    assert not (kiosk.layout.root / PLACE).exists()


def test_it_goes_with_the_program_that_brought_it(kiosk: Kiosk, tmp_path: Path) -> None:
    """A program without it takes it away; the way back brings it again."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0", system={NAME: SHIPPED}), keys=KEYS)
    kiosk.installer().bring(program_package(tmp_path, version="1.1"), keys=KEYS)
    assert not (kiosk.layout.root / PLACE).exists()
    kiosk.installer().roll_back()
    assert (kiosk.layout.root / PLACE).read_bytes() == SHIPPED.read_bytes()


def test_a_factory_reset_leaves_it(kiosk: Kiosk, tmp_path: Path) -> None:
    """It belongs to the program, which stays: the page that comes up after a reset is held as before."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0", system={NAME: SHIPPED}), keys=KEYS)
    kiosk.installer().reset()
    assert (kiosk.layout.root / PLACE).exists()


def test_every_key_and_value_is_one_that_chromium_knows() -> None:
    """A misspelt key is silently no rule at all; a key that stands twice is one of two."""
    pairs: list[tuple[str, Any]] = json.loads(SHIPPED.read_bytes(), object_pairs_hook=list)
    told = dict(pairs)
    assert len(told) == len(pairs)
    assert told.keys() == KNOWN.keys()
    for name, value in json.loads(SHIPPED.read_bytes()).items():
        if KNOWN[name] == LIST:
            assert value and all(isinstance(one, str) for one in value), name
        elif KNOWN[name] == AUTOFILL:
            assert value == [{"url_pattern": "*", "blocked_types": ["all"]}]
        else:
            assert any(value is one or (type(value) is type(one) and value == one) for one in KNOWN[name]), name


def test_no_sheet_is_saved_as_a_file_and_a_real_printer_stays() -> None:
    """ "Save as PDF" is no destination; a printer of the computer ("local") is the only one."""
    assert set(json.loads(SHIPPED.read_bytes())["PrinterTypeDenyList"]) == {"pdf", "extension", "privet", "cloud"}


def test_the_page_s_own_address_is_the_only_one() -> None:
    """Everything is shut, then the page's own computer is opened: the port changes with every start."""
    told = json.loads(SHIPPED.read_bytes())
    blocked = told["URLBlocklist"]
    assert blocked[:2] == ["*", "view-source:*"]
    # "*" leaves the browser's own pages open, and blocking them all is advised against (URLBlocklist.yaml): the page that
    # prints is one of them.
    assert all(one.startswith("chrome://") and one != "chrome://print" and "*" not in one for one in blocked[2:])
    assert told["URLAllowlist"] == ["http://127.0.0.1"]
