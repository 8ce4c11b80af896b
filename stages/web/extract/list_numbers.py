"""Numbers of ordered lists: makes trafilatura write `3. ` before an item where it writes `- `.

trafilatura numbers items in Markdown alone, from one, without those that it has cut. The number of a page's item is
noted in the attribute that trafilatura carries from the page's tree to its own.
"""

from __future__ import annotations

import re
from itertools import takewhile

import trafilatura.htmlprocessing
import trafilatura.xml
from lxml import etree

NOTE = "number-"
INTEGER = re.compile(r"\s*([+-]?\d{1,9})")
CONVERT = trafilatura.htmlprocessing.convert_lists
MARKER = trafilatura.xml._list_marker


def number_ordered_lists() -> None:
    """Make this process's trafilatura write the numbers; repeating it changes nothing.

    Side effects, all within trafilatura 2.3's modules: its conversion of lists notes numbers, and its marker of an item
    is the number.
    """
    conversions = trafilatura.htmlprocessing.CONVERSIONS
    conversions.update({tag: _convert for tag, convert in conversions.items() if convert is CONVERT})
    trafilatura.xml._list_marker = _marker


def _convert(elem: etree._Element) -> None:
    CONVERT(elem)
    if elem.get("rend") == "ol":
        items = [item for item in elem.iterdescendants("item", "li") if _is_of(item, elem)]
        for item, number in zip(items, numbers(elem, items), strict=True):
            item.set("rend", f"{NOTE}{number}")


def _is_of(item: etree._Element, ordered: etree._Element) -> bool:
    """Return whether no other list lies between an item and the list."""
    between = takewhile(lambda above: above is not ordered, item.iterancestors())
    return not any(above.tag in ("list", "ol", "ul", "dl") for above in between)


def numbers(ordered: etree._Element, items: list[etree._Element]) -> list[int]:
    """Return the number of each item as browsers count: by `start`, `reversed` and `value`."""
    step = -1 if ordered.get("reversed") is not None else 1
    first = _integer(ordered.get("start"))
    number = (len(items) if step < 0 else 1) if first is None else first
    found = []
    for item in items:
        given = _integer(item.get("value"))
        number = number if given is None else given
        found.append(number)
        number += step
    return found


def _integer(text: str | None) -> int | None:
    found = INTEGER.match(text or "")
    return int(found[1]) if found else None


def _marker(item: etree._Element, include_formatting: bool = True) -> str:
    marker: str = MARKER(item, include_formatting=False)
    number = item.get("rend", "")
    return marker.replace("- ", f"{number.removeprefix(NOTE)}. ") if number.startswith(NOTE) else marker
