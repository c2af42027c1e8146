"""Print a page of ours as a PDF: by WeasyPrint in a child process, which may be killed and whose memory ends with it.

Bytes in, bytes out: the page goes through a pipe and so does the PDF; no file is made. Nothing is fetched, whatever the page
asks for (``pdf_child``). The same page gives the same bytes.

Source: docs/adr/0020-pdf-by-weasyprint.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Final

from edge_agent.errors import ConfigError, PrintError

CHILD: Final = "edge_agent.interop.pdf_child"
DEBIAN: Final = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
FONTS: Final = "fonts-noto-core fonts-noto-cjk"
MAX_PAGE_BYTES: Final = 32 * 1024**2
NO_LIBRARY, NO_FONTS = 3, 4  # how the child ends when Pango, or a font for the page's language, is missing
# A page needs no proxy, token or state of ours; fontconfig and Python need these.
_KEPT: Final = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "VIRTUAL_ENV", "XDG_CACHE_HOME")


@dataclass(frozen=True, slots=True)
class PageToPrint:
    """One page and what stands at the foot of every sheet.

    ``html`` is a whole document with its own style; ``style`` more of it, for print only. ``language``: ``zh`` or ``en``.
    ``foot`` stands beside the number of the sheet, as it is.
    """

    html: str
    foot: str
    language: str
    style: str = ""


class PdfPress:
    """Print pages, each in a child of its own.

    Args:
        timeout_s: how long one page may take; then its child is killed.
        memory_bytes: what the child may map at most.
        module: the child's module.
    """

    def __init__(self, *, timeout_s: float = 60.0, memory_bytes: int = 2 * 1024**3, module: str = CHILD) -> None:
        self._timeout_s, self._memory_bytes, self._module = timeout_s, memory_bytes, module

    def print(self, page: PageToPrint) -> bytes:
        """Return the page as a PDF.

        Raises:
            ConfigError: a Debian package is missing; the message names it.
            PrintError: the page is too large, took too long or cannot be printed.
        """
        job = json.dumps({**asdict(page), "memory_bytes": self._memory_bytes}).encode()
        if len(job) > MAX_PAGE_BYTES:
            raise PrintError(f"the page is larger than {MAX_PAGE_BYTES // 1024**2} MB: print it without pictures")
        try:
            done = subprocess.run(
                [sys.executable, "-m", self._module],
                input=job,
                capture_output=True,
                timeout=self._timeout_s,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PrintError(
                f"printing took longer than {self._timeout_s:g} s and was stopped: try again, or without pictures"
            ) from None
        except OSError as exc:
            raise PrintError(f"the printing program cannot be started: {exc.strerror}; restart the device") from exc
        if done.returncode == NO_LIBRARY:
            raise ConfigError(f"printing needs a library that is not here: apt-get install {DEBIAN}")
        if done.returncode == NO_FONTS:
            raise ConfigError(f"no font here draws every sign of this page: apt-get install {FONTS}")
        if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
            # What the child said may quote the page, which is a patient's: it is not told.
            raise PrintError("the page cannot be printed: try again, or run derm-edge doctor", status=done.returncode)
        return done.stdout
