"""What holds for every test.

Every computer that runs them stands in UTC; a test of another place says so (``tests.simulators.zone``).
A busy computer is not a wrong rule, so Hypothesis never judges how long an example took. And no test leaves the next one a
signal stack that is gone.
"""

import pytest
from hypothesis import HealthCheck, settings

from tests.simulators.signal_stack import SignalStack
from tests.simulators.zone import set_zone

settings.register_profile("derm-edge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("derm-edge")

STACK = pytest.StashKey[SignalStack]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep the main thread's signal stack, before any test loads a library that changes it, and stand in UTC."""
    set_zone("UTC")
    session.config.stash[STACK] = SignalStack.of_this_thread()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Put it back before each test."""
    item.config.stash[STACK].use()
