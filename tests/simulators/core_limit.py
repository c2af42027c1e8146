"""Whether this computer lets a process leave a core dump: what forbids one can only be seen where it is allowed before."""

from __future__ import annotations

import resource

import pytest


def needs_core_dumps() -> None:
    """Skip a test where core dumps are forbidden to every process here anyway (a hard limit of 0, ``ulimit -Hc``)."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("ulimit -Hc is 0 here: no process may leave a core dump, so that forbidding it shows nothing")
