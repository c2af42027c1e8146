"""Hang as a broken program does, but leave nobody behind: a run of tests may be killed at any moment."""

from __future__ import annotations

import os
import select
from typing import NoReturn

STDIN = 0


def hang() -> NoReturn:
    """Do nothing until whoever holds the other end of stdin is gone; a signal ends it before.

    A supervisor that ends its child properly signals it first and closes the pipe afterwards, so that it sees a child that
    would hang for ever. What is written into the pipe wakes nobody.
    """
    watch = select.poll()
    watch.register(STDIN, 0)  # no event but the hang-up, which needs no asking (poll(2))
    watch.poll()
    os._exit(1)
