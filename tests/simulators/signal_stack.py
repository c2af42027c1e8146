"""The stack that this thread's signal handlers run on, read and put back.

A library that frees a signal stack which a thread still uses ends the process at the next signal, without a word: OpenVINO's
CPU plugin does so when two of its cores are given up in the order in which they came (edge_agent/inference/runtime.py). The
device has one core for good; tests, and the tools that they call, have many.

Source: sigaltstack(2).
"""

from __future__ import annotations

import ctypes
from typing import ClassVar


class SignalStack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_: ClassVar = [("ss_sp", ctypes.c_void_p), ("ss_flags", ctypes.c_int), ("ss_size", ctypes.c_size_t)]

    @classmethod
    def of_this_thread(cls) -> SignalStack:
        """Return the stack in use."""
        found = cls()
        if ctypes.CDLL(None, use_errno=True).sigaltstack(None, ctypes.byref(found)):
            raise OSError(ctypes.get_errno(), "sigaltstack")
        return found

    def use(self) -> None:
        """Let this thread's handlers run on it from now on."""
        if ctypes.CDLL(None, use_errno=True).sigaltstack(ctypes.byref(self), None):
            raise OSError(ctypes.get_errno(), "sigaltstack")
