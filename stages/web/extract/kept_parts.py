"""Parts of the text whose class looks like boilerplate: makes trafilatura keep them.

trafilatura removes elements by words in their class, such as `link`, `author` or `embed`. Two kinds are text all the
same, and stay unless they are hidden:
- A `span` within a sentence. Without it there is a hole: "as the NFL decided in Pittsburgh".
- A quotation in a wrapper, such as a post in `social-media-embed`. trafilatura keeps one without a wrapper.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import trafilatura.external
import trafilatura.main_extractor
from lxml import etree
from trafilatura.htmlprocessing import prune_unwanted_nodes

Expression = Callable[[etree._Element], Iterable[etree._Element]]

INLINE = frozenset({"a", "b", "em", "hi", "i", "ref", "span", "strong", "u"})
"""Tags of elements in a line, before and after trafilatura has renamed them."""
QUOTATIONS = ("blockquote", "quote")
OPEN = re.compile(r"[\w,，、]\s+$")
GOES_ON = re.compile(r"\s+[^\W\d_]|[,;.:!?，、。]")
HIDDEN = re.compile(r"hidden|hide|display:\s*none|tooltip|screen-reader|sr-only|noprint")


def keep_parts_of_text() -> None:
    """Make this process's trafilatura keep them; repeating it changes nothing.

    Side effects, all within trafilatura 2.3's modules: their function that prunes passes these elements over.
    """
    modules: list[Any] = [trafilatura.main_extractor, trafilatura.external]
    for module in modules:
        module.prune_unwanted_nodes = _prune


def _prune(tree: etree._Element, nodelist: list[Expression], with_backup: bool = False) -> Any:
    return prune_unwanted_nodes(tree, [partial(_unwanted, each) for each in nodelist], with_backup)


def _unwanted(expression: Expression, tree: etree._Element) -> list[etree._Element]:
    return [element for element in expression(tree) if _is_hidden(element) or not is_text(element)]


def is_text(element: etree._Element) -> bool:
    """Return whether an element belongs to the text, whatever its class says."""
    return is_in_sentence(element) or is_quotation(element)


def is_quotation(element: etree._Element) -> bool:
    """Return whether a `div` holds one quotation and nothing else."""
    if element.tag != "div" or len(element) != 1 or (element.text or "").strip():
        return False
    (quotation,) = element
    return quotation.tag in QUOTATIONS and not (quotation.tail or "").strip()


def is_in_sentence(element: etree._Element) -> bool:
    """Return whether a `span` holds nothing but words and both its neighbours are words of one sentence."""
    if element.tag != "span" or not all(below.tag in INLINE for below in element.iterdescendants()):
        return False
    return _continues(_text_before(element), element.tail or "")


def _text_before(element: etree._Element) -> str:
    before, parent = element.getprevious(), element.getparent()
    return (before.tail if before is not None else parent.text if parent is not None else "") or ""


def _continues(before: str, after: str) -> bool:
    """Return whether a sentence goes on: after a word or a comma, with a mark, or a blank and a small letter.

    In scripts without capitals every letter counts.
    """
    word = GOES_ON.match(after)
    return OPEN.search(before) is not None and word is not None and not word[0][-1].isupper()


def _is_hidden(element: etree._Element) -> bool:
    names = " ".join(element.get(name, "") for name in ("class", "id", "style"))
    return element.get("aria-hidden") == "true" or HIDDEN.search(names.lower()) is not None
