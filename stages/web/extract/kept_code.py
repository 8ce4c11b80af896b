"""Code blocks, and text behind empty elements: makes trafilatura keep them.

trafilatura loses these parts, which are rewritten before it cleans a page:
- `<pre>` in a `figure`, which it removes.
- The line ends and the indentation of a `<pre>` whose lines end with `<br>`, or are `<div>` or `<li>` elements.
- The same of code in a table with line numbers, which it writes as one row.

With `favor_precision` it also removes the text directly behind an empty element: "world" in `Hello <b></b>world`, and
the whole block in Pygments' `<pre><span></span>...</pre>`.
"""

from __future__ import annotations

from typing import Any

import trafilatura.core
import trafilatura.external
import trafilatura.htmlprocessing
from lxml import etree
from trafilatura.htmlprocessing import prune_html, tree_cleaning

LINES = ("div", "li", "p")
"""Elements that are a line each within `<pre>`."""


def keep_code() -> None:
    """Make this process's trafilatura keep them; repeating it changes nothing.

    Side effects, all within trafilatura 2.3's modules: their functions that clean a tree rewrite these parts first, and
    an empty element goes without the text behind it.
    """
    core: Any = trafilatura.core
    external: Any = trafilatura.external
    processing: Any = trafilatura.htmlprocessing
    core.tree_cleaning = external.tree_cleaning = _clean
    processing.prune_html = _prune


def _clean(tree: Any, options: Any) -> Any:
    rewrite_code(tree)
    return tree_cleaning(tree, options)


def _prune(tree: Any, focus: str) -> Any:
    return prune_html(tree)


def rewrite_code(tree: etree._Element) -> None:
    """Rewrite a page's code as `<pre>` elements with newlines, outside figures and tables of line numbers."""
    for pre in list(tree.iter("pre")):
        _write_newlines(pre)
        for figure in pre.iterancestors("figure"):
            figure.tag = "div"
    for table in list(tree.iter("table")):
        _unwrap(table)


def _write_newlines(pre: etree._Element) -> None:
    """Replace line breaks, and elements that are lines, by newlines in the text."""
    for line_break in pre.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    for line in pre.iter(*LINES):
        if not "".join(line.itertext()).endswith("\n"):
            line.tail = "\n" + (line.tail or "").removeprefix("\n")
    etree.strip_elements(pre, "br", with_tail=False)
    etree.strip_tags(pre, *LINES, "ol", "ul")


def _unwrap(table: etree._Element) -> None:
    """Replace a table of one row, of line numbers and one code block, by the block."""
    blocks = list(table.iter("pre"))
    code = [block for block in blocks if not _is_numbers(block)]
    others = [cell for cell in table.iter("td", "th") if cell.find(".//pre") is None and not _is_numbers(cell)]
    parent = table.getparent()
    if len(code) != 1 or others or parent is None or table.find(".//table") is not None:
        return
    (block,) = code
    block.tail = table.tail
    parent.replace(table, block)


def _is_numbers(element: etree._Element) -> bool:
    return all(word.isdecimal() for word in "".join(element.itertext()).split())
