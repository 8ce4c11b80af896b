"""Text of answers that were saved as HTML, as ShareGPT's are: paragraphs, lists, code and tables stay readable."""

from __future__ import annotations

import re
from html.parser import HTMLParser

PAGE = re.compile(r"\s*<(?:div|p|ol|ul|pre|table|h[1-6]|blockquote)\b[^<>]*>.*</\w+>\s*", re.DOTALL | re.IGNORECASE)
"""An answer that is HTML as a whole. One that speaks about HTML has words or a fence before the first tag."""
BUTTONS = re.compile(r"^(?:[\w+#.-]*Copy code|\d+ / \d+)$\n?", re.MULTILINE)
"""Words of the page's buttons: a language and `Copy code`, and the number of an answer among several."""
BLOCKS = frozenset(("p", "div", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"))
UNREAD = frozenset(("script", "style", "button", "svg"))


def unwrapped(answer: str) -> str:
    """Return an answer as plain text with Markdown's marks; one that is no HTML loses the words of buttons alone."""
    if not PAGE.fullmatch(answer):
        return BUTTONS.sub("", answer)
    reader = _Reader()
    reader.feed(answer)
    reader.close()
    text = BUTTONS.sub("", "".join(reader.pieces))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


class _Reader(HTMLParser):
    """Collects the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._lists: list[int] = []
        """For each open list its next number; 0: without numbers."""
        self._unread = 0
        self._fence: int | None = None
        """Number of pieces before a block of code whose opening fence is not written yet."""
        self._in_pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a block, a list or code."""
        self._unread += tag in UNREAD
        if tag in ("ul", "ol"):
            self._lists.append(int(tag == "ol"))
        elif tag == "li":
            self.pieces.append("\n" + "  " * (len(self._lists) - 1) + self._mark())
        elif tag == "pre":
            self._in_pre += 1
            self._fence = len(self.pieces)
        elif tag == "code" and self._fence is not None:
            self.pieces[self._fence :] = [f"\n\n```{''.join(self.pieces[self._fence :]).strip()}\n"]
            self._fence = None
        elif tag == "code" and not self._in_pre:
            self.pieces.append("`")
        elif tag in ("br", "tr"):
            self.pieces.append("\n")
        elif tag in BLOCKS and not self._lists and not self._in_pre:
            self.pieces.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        """Close what `handle_starttag` opened."""
        self._unread = max(0, self._unread - (tag in UNREAD))
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        if tag == "pre" and self._in_pre:
            self._in_pre -= 1
            if self._fence is not None:
                self.pieces.insert(self._fence, "\n\n```\n")
                self._fence = None
            self.pieces.append("```\n\n" if self.pieces[-1].endswith("\n") else "\n```\n\n")
        elif tag == "code" and not self._in_pre:
            self.pieces.append("`")
        elif tag in ("td", "th"):
            self.pieces.append(" | ")
        elif tag in BLOCKS and not self._lists and not self._in_pre:
            self.pieces.append("\n\n")

    def handle_data(self, data: str) -> None:
        """Keep text. Outside of code white space is one space, and none where a line begins."""
        if self._unread:
            return
        if not self._in_pre:
            data = re.sub(r"\s+", " ", data)
            data = data.lstrip() if not self.pieces or self.pieces[-1].endswith("\n") else data
        self.pieces.append(data)

    def _mark(self) -> str:
        if not self._lists or not self._lists[-1]:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1] - 1}. "
