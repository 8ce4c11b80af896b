r"""Cleans extracted text: removes URLs and spaces at the ends of lines, limits blank lines. Keeps indentation.

A URL ends at the first character that no URL has: white space, a letter of another script, a full-width mark, a
bracket that it did not open, the punctuation after it. So text directly behind a URL stays, in scripts without spaces
too: in `见https://a.example/b（图）。` only `https://a.example/b` is removed. Letters with diacritics belong to a URL,
because scripts with such letters put spaces between words.
"""

from __future__ import annotations

import re

from stages.web.settings import ExtractionSettings

LETTERS = r"a-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
PLAIN = rf"[{LETTERS}\-._~:/?#@!$&'*,;=%+]"
IN_BRACKETS = rf"(?:{PLAIN}|\({PLAIN}*\)|\[{PLAIN}*\])"
BODY = rf"(?:{PLAIN}|\({IN_BRACKETS}*\)|\[{PLAIN}*\])"
"""One part of a URL: a character, or a pair of brackets with all between them."""
OTHER_HOST = r"[^\W\x00-\x7f][\w-]*(?:\.[\w-]+)+(?::\d+)?"
"""A host whose name begins with a letter of another script."""
URL = re.compile(
    rf"(?:(?:https?|ftp)://|(?<![a-z0-9])www\.)(?:(?=[{LETTERS}\[%]){BODY}+|{OTHER_HOST}{BODY}*)", re.IGNORECASE
)
AFTER = ".,;:!?'"
"""Marks that belong to the sentence if they end a URL."""
GONE = "\0"
"""Stands where a URL was. No text has it: the reader removes zeros."""
SPACES = " \t\u00a0\u3000"
EMPTY_BRACKETS = re.compile(
    rf"[{SPACES}]?[(（\[［【〔〈《<＜「『“„‘«][{SPACES},;，；、]*{GONE}[{SPACES},;.，；、。{GONE}]*[)）\]］】〕〉》>＞」』”“’»]"
)
AT_START = re.compile(rf"^([ \t]*){GONE}[{SPACES}{GONE}]*", re.MULTILINE)
SPACES_AFTER = " \t\u00a0"


class Cleaner:
    """Cleans many texts with the same settings."""

    def __init__(self, settings: ExtractionSettings) -> None:
        self.remove_urls = settings.remove_urls
        self._limit = "\n" * settings.max_newlines
        self._newlines = re.compile(rf"\n{{{settings.max_newlines + 1},}}")

    def clean(self, text: str) -> str:
        """Return the text without URLs and without spaces at line ends, with shortened runs of newlines."""
        # The expression is slow, and most texts have no URL.
        if self.remove_urls and ("://" in text or "www." in text.lower()):
            text = without_urls(text)
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        text = "\n".join([line.rstrip(SPACES_AFTER) for line in lines])
        return self._newlines.sub(self._limit, text).lstrip("\n").rstrip()


def without_urls(text: str) -> str:
    """Return the text without URLs; brackets that held nothing else go with them, and spaces behind at a line start."""
    text, found = URL.subn(_mark, text)
    if not found:
        return text
    return AT_START.sub(r"\1", EMPTY_BRACKETS.sub(GONE, text)).replace(GONE, "")


def _mark(url: re.Match[str]) -> str:
    whole = url[0]
    return GONE + whole[len(whole.rstrip(AFTER)) :]
