"""A press that hands back the page it was given, behind a PDF's first letters: what stands on it can be read."""

from __future__ import annotations

from edge_agent.interop.pdf import PageToPrint


class PaperPress:
    """Print nothing; ``pages`` are those that were asked for."""

    def __init__(self) -> None:
        self.pages: list[PageToPrint] = []

    def print(self, page: PageToPrint) -> bytes:
        """Return the page's own text."""
        self.pages.append(page)
        return b"%PDF-" + page.html.encode()
