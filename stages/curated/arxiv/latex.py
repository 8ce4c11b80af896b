"""A paper's LaTeX reduced to its body: comments, what stands before the first section, bibliography and appendix go.

pylatexenc parses LaTeX into a tree to make plain text of it. LLaMA keeps LaTeX, so nothing here needs a tree: every
rule is a mark and a cut, in linear time.
"""

from __future__ import annotations

import re
from typing import Literal

COMMENT_LINE = re.compile(r"^[ \t]*%[^\n]*\n?", re.MULTILINE)
COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*")
COMMENT_BLOCK = ("\\begin{comment}", "\\end{comment}")
SECTION = re.compile(r"\\(?:section|chapter|part)\*?[ \t\n]*(?:\[[^\[\]]{0,300}\])?[ \t\n]*\{")
BODY = re.compile(r"\\begin[ \t]*\{document\}|\\maketitle\b")
END = re.compile(r"\\end[ \t]*\{document\}")
REFERENCES = re.compile(
    r"\\begin[ \t]*\{(?:thebibliography|references|bibliography)\}|\\(?:bibliography|printbibliography)\b(?!style)"
    r"|\\begin[ \t]*\{biblist\}"
)
APPENDIX = re.compile(r"\\appendix\b|\\begin[ \t]*\{appendi(?:x|ces)\}|\\appendices\b")
TITLE = re.compile(
    r"\\title[ \t\n]*(?:\[[^\[\]]{0,300}\])?[ \t\n]*\{([^{}]{1,500}(?:\{[^{}]{0,200}\}[^{}]{0,300}){0,5})\}"
)
ABSTRACT = re.compile(r"\\begin[ \t]*\{abstract\}(.{1,20000}?)\\end[ \t]*\{abstract\}", re.DOTALL)
STYLE = re.compile(r"\\bibliographystyle[ \t]*\{[^{}\n]{0,200}\}")
BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
DOCUMENT = re.compile(r"\\document(?:class|style)\b")
INPUT = re.compile(r"\\(?:input|include|subfile)[ \t]*(?:\{[ \t]*([^{}\n]{1,200}?)[ \t]*\}|[ \t]+([^\s\\{}]{1,200}))")
Before = Literal["cut", "abstract", "keep"]


def without_comments(text: str) -> str:
    """Return a text without comments; a comment at the end of a line takes its mark and no line break."""
    text = COMMENT.sub(r"\1", COMMENT_LINE.sub("", text))
    start, end = COMMENT_BLOCK
    pieces, at = [], 0
    while (first := text.find(start, at)) >= 0:
        last = text.find(end, first)
        pieces.append(text[at:first])
        if last < 0:
            return "".join(pieces)
        at = last + len(end)
    return "".join([*pieces, text[at:]])


def body_of(text: str, before: Before, has_appendix: bool) -> str | None:
    """Return the part of a paper that is read; None for a paper without a section, where the rule needs one."""
    section = SECTION.search(text)
    if before != "keep" and section is None:
        return None
    opening = BODY.search(text)
    start = section.start() if before != "keep" and section else opening.end() if opening else 0
    head = _head(text[:start]) if before == "abstract" else ""
    ends = [len(text)]
    for mark in (END, REFERENCES) if has_appendix else (END, REFERENCES, APPENDIX):
        found = mark.search(text, start)
        if found:
            ends.append(found.start())
    if has_appendix and (later := APPENDIX.search(text, min(ends))):
        stop = END.search(text, later.end())
        return _clean(f"{head}{text[start : min(ends)]}\n{text[later.end() : stop.start() if stop else len(text)]}")
    return _clean(head + text[start : min(ends)])


def _head(text: str) -> str:
    title, abstract = TITLE.search(text), ABSTRACT.search(text)
    return "".join(f"{' '.join(found[1].split())}\n\n" for found in (title, abstract) if found)


def _clean(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in STYLE.sub("", text).split("\n"))
    return BLANK_LINES.sub("\n\n", lines).strip()
