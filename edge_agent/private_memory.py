"""Keep what a process holds in memory off the disk: no core dump, and no page in swap where the system allows it.

Called first thing by the processes that hold pictures of people. Does not encrypt memory and does not hide it from
root. Which protection against swap holds is told, never assumed: see ``SwapGuard``.

Source: core(5), prctl(2) PR_SET_DUMPABLE, mlockall(2), mlock2(2), proc(5) /proc/swaps, cgroups(7) memory.swap.max.
"""

from __future__ import annotations

import ctypes
import mmap
import resource
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4  # a page is locked when it is first used: address space that is only reserved costs nothing
_MLOCK_ONFAULT: Final = 1
_CAP_IPC_LOCK: Final = 14


class SwapGuard(StrEnum):
    """Name what keeps this process's pages out of swap; the first that holds is told."""

    NO_SWAP = "no_swap"  # the computer has no swap
    CGROUP = "cgroup"  # the unit sets MemorySwapMax=0
    LOCKED = "locked"  # every page of the process is locked
    NONE = "none"  # pages may be swapped; see docs/camera.md


@dataclass(frozen=True, slots=True)
class Privacy:
    """Say what holds for this process: whether the kernel may dump it, and what keeps it out of swap."""

    is_dumpable: bool
    swap: SwapGuard


def keep_private(*, lock_all: bool = False) -> Privacy:
    """Forbid core dumps of this process and its later children, and look how it is kept out of swap.

    Args:
        lock_all: lock every page, now and later, where no limit can make a later allocation fail (CAP_IPC_LOCK or an
            unlimited RLIMIT_MEMLOCK). Not for a process that maps gigabytes of weights: locked pages of files could
            not be given back to the system when memory runs short.

    Returns:
        What holds from now on, read back from the system.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The limit alone does not stop a dump into a program (core_pattern with |): only "not dumpable" does.
    _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    is_locked = lock_all and _may_lock_everything() and _lock_everything()
    return Privacy(is_dumpable=bool(_libc().prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)), swap=_swap_guard(is_locked=is_locked))


def lock_buffer(buffer: mmap.mmap, *, offset: int, size: int) -> bool:
    """Lock a part of a writable mapping in memory; say whether the system allowed it.

    Does not raise: RLIMIT_MEMLOCK may be smaller than a picture, and a picture is still better than none.

    Args:
        buffer: the mapping.
        offset: where the part begins, in bytes; rounded down to a page by the kernel.
        size: its length in bytes.
    """
    first = ctypes.c_char.from_buffer(buffer, offset)
    address = ctypes.c_void_p(ctypes.addressof(first))
    del first  # else the mapping could not be closed
    return bool(_libc().mlock2(address, ctypes.c_size_t(size), _MLOCK_ONFAULT) == 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _lock_everything() -> bool:
    return bool(_libc().mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def _may_lock_everything() -> bool:
    """Under a limit the lock would succeed now and an allocation would fail later, in the middle of a picture."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    status = _text(Path("/proc/self/status"))
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_IPC_LOCK & 1)


def _swap_guard(*, is_locked: bool) -> SwapGuard:
    if len(_text(Path("/proc/swaps"), missing="unreadable\n" * 2).splitlines()) <= 1:  # the heading alone
        return SwapGuard.NO_SWAP
    own = next((line[3:] for line in _text(Path("/proc/self/cgroup")).splitlines() if line.startswith("0::")), "")
    if own and _text(Path(f"/sys/fs/cgroup{own}/memory.swap.max")).strip() == "0":
        return SwapGuard.CGROUP
    return SwapGuard.LOCKED if is_locked else SwapGuard.NONE


def _text(path: Path, *, missing: str = "") -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return missing
