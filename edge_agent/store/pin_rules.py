"""Which PINs may be chosen, and how long a wrong one makes the next wait.

Source: NIST SP 800-63B section 5.2.2 (no more than 100 consecutive failures; ten here).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from edge_agent.errors import AccountError

MIN_PIN: Final = 6
MAX_PIN: Final = 12
MAX_FAILURES: Final = 10  # then the account is locked
WAITS_S: Final = (0, 0, 0, 5, 15, 30, 60, 120, 300, 600)  # by the number of wrong PINs so far


def check_new_pin(pin: str) -> None:
    """Refuse a PIN that is short, too long, or among the first that anybody would try.

    Raises:
        AccountError: says what to choose instead.
    """
    if not (pin.isascii() and pin.isdigit() and MIN_PIN <= len(pin) <= MAX_PIN):
        raise AccountError(f"a PIN has {MIN_PIN} to {MAX_PIN} digits; choose another one", reason="pin_length")
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    is_repeated = any(pin == pin[:size] * (len(pin) // size) for size in (1, 2, 3))
    if steps in ({1}, {9}) or is_repeated:
        raise AccountError("this PIN is among the first that anybody would try; choose another one", reason="pin_easy")


def wait_s(failures: int, last_failure: datetime | None, *, now: datetime) -> float:
    """Return the seconds until the next PIN may be tried; a clock that was set back wins nothing."""
    if last_failure is None:
        return 0.0
    full = WAITS_S[min(failures, len(WAITS_S) - 1)]
    passed = now - last_failure
    return float(full) if passed < timedelta(0) else max(0.0, full - passed.total_seconds())
