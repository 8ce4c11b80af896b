"""Makes trafilatura almost twice as fast, with the same texts: evaluates its XPath expressions in one walk over a page.

Half of trafilatura's time goes into XPath expressions such as `.//*[self::div or ...][re:test(@class, '...') or ...]`:
for every element and every test, lxml wraps attributes into objects and calls back into Python. The result of such an
expression depends on an element's tag and attributes only. Here a plain loop looks the values up, and remembers the
results of each value. An expression of another form stays as it is. A test compares texts of real pages to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from pkgutil import get_data

import justext
import lxml.html
import trafilatura.core
import trafilatura.external
import trafilatura.utils
import trafilatura.xpaths
from lxml import etree
from trafilatura.external import compare_extraction
from trafilatura.main_extractor import extract_content
from trafilatura.settings import Extractor

REGEXP_NS = {"re": "http://exslt.org/regular-expressions"}
EXPRESSIONS = (
    "BODY_XPATH",
    "DISCARD_IMAGE_ELEMENTS",
    "OVERALL_DISCARD_XPATH",
    "PRECISION_DISCARD_XPATH",
    "RAW_TREE_PRUNE_XPATH",
    "REMOVE_COMMENTS_AND_LISTS_XPATH",
    "REMOVE_COMMENTS_XPATH",
    "TEASER_DISCARD_XPATH",
)
"""Lists in trafilatura.xpaths whose expressions are replaced in place: every module that imported them sees it."""
PATH = re.compile(
    r"\s*\(?\s*\.//\*\s*(?:\[(?P<tags>\s*self::\w+(?:\s+or\s+self::\w+)*)\s*\])?"
    r"\s*\[(?P<terms>.*?)\]\s*(?P<more>\[\D.*\])?\s*(?:\[1\])?\s*\)?\s*(?:\[1\])?\s*",
    re.DOTALL,
)
TERM = re.compile(
    r"""\s*(?:
        re:test\((?P<test>[^,]+),\s*'(?P<pattern>[^']*)'(?:,\s*'(?P<flags>i)')?\)
      | contains\(translate\((?P<translated>[^,]+),\s*'(?P<old>\w+)',\s*'(?P<new>\w+)'\),\s*'(?P<part_of_it>[^']*)'\)
      | contains\((?P<contains>[^,]+),\s*'(?P<part>[^']*)'\)
      | starts-with\((?P<starts>[^,]+),\s*'(?P<start>[^']*)'\)
      | (?P<equals>@[\w-]+)\s*=\s*'(?P<value>[^']*)'
      | (?P<exists>@[\w-]+)
    )\s*(?:or\b|$)""",
    re.VERBOSE,
)
ALWAYS = 1
"""The bit of a test that is sufficient by itself."""
MAX_REMEMBERED = 100_000
"""Values of an attribute whose results are kept, because sites repeat their class names. Some 20 MB at most."""

Test = Callable[[str], bool]


class TestResults(dict[str, int]):
    """The results of the tests of one attribute, by its value; computed at the first look-up of a value."""

    def __init__(self) -> None:
        super().__init__()
        self.tests: list[tuple[int, Test]] = []

    def __missing__(self, value: str) -> int:
        bits = 0
        for bit, test in self.tests:
            if not bits & bit and test(value):
                bits |= bit
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        self[value] = bits
        return bits


class Walk:
    """Replaces an expression that selects elements by their own tag and attributes.

    Raises ValueError if the expression is of another form.
    """

    def __init__(self, expression: etree.XPath) -> None:
        self.path = expression.path
        found = PATH.fullmatch(self.path)
        if found is None:
            raise ValueError(f"not a test of an element's own attributes: {self.path}")
        self.tags = tuple(re.findall(r"self::(\w+)", found["tags"] or "")) or ("*",)
        self.is_first_only = self.path.rstrip().endswith("[1]")
        more = found["more"]
        self._more = etree.XPath(f"boolean(self::*{more})", namespaces=REGEXP_NS) if more else None
        self._unions: list[tuple[str, ...]] = []
        results: dict[str, TestResults] = {}
        for names, test in _parse(found["terms"]):
            bit = ALWAYS if len(names) == 1 else self._union_bit(names)
            for name in names:
                results.setdefault(name, TestResults()).tests.append((bit, test))
        self._results = results
        self._pairs = tuple(results.items())

    def __call__(self, tree: etree._Element) -> list[etree._Element]:
        """Return the elements below `tree` that the expression selects, in order; for `[1]` only the first."""
        found = []
        pairs = self._pairs
        for element in tree.iterdescendants(*self.tags):
            get = element.get
            bits = 0
            for name, results in pairs:
                value = get(name)
                if value is not None:
                    bits |= results[value]
            if bits and (bits & ALWAYS or self._holds_for_first(element, bits)):
                if self._more is not None and not self._more(element):
                    continue
                found.append(element)
                if self.is_first_only:
                    break
        return found

    def _union_bit(self, names: tuple[str, ...]) -> int:
        if names not in self._unions:
            self._unions.append(names)
        return 2 << self._unions.index(names)

    def _holds_for_first(self, element: etree._Element, bits: int) -> bool:
        """Return the result of tests of `@id|@class`: in XPath 1.0 they test whichever is first in the markup."""
        for names in self._unions:
            if bits & self._union_bit(names):
                first = next(name for name in element.keys() if name in names)  # noqa: SIM118 - an element is not a dict
                if self._results[first][element.get(first, "")] & self._union_bit(names):
                    return True
        return False


def _parse(terms: str) -> list[tuple[tuple[str, ...], Test]]:
    """Return attribute names and test for each of some terms joined by `or`."""
    found = []
    position = 0
    while position < len(terms):
        term = TERM.match(terms, position)
        if term is None:
            raise ValueError(f"not a test of an attribute: {terms[position:].strip()}")
        position = term.end()
        subject, test = _test(term.groupdict())
        names = tuple(name.strip() for name in subject.split("|"))
        if not all(name.startswith("@") for name in names):
            raise ValueError(f"not an attribute: {subject}")
        found.append((tuple(name[1:] for name in names), test))
    return found


def _test(term: dict[str, str | None]) -> tuple[str, Test]:
    if subject := term["test"]:
        search = re.compile(term["pattern"] or "", re.IGNORECASE if term["flags"] else 0).search
        return subject, lambda value: search(value) is not None
    if subject := term["translated"]:
        letters, part = str.maketrans(term["old"] or "", term["new"] or ""), term["part_of_it"] or ""
        return subject, lambda value: part in value.translate(letters)
    if subject := term["contains"]:
        part = term["part"] or ""
        return subject, lambda value: part in value
    if subject := term["starts"]:
        start = term["start"] or ""
        return subject, lambda value: value.startswith(start)
    if subject := term["equals"]:
        wanted = term["value"]
        return subject, lambda value: value == wanted
    return term["exists"] or "", lambda value: True


def all_stop_words() -> frozenset[str]:
    """Return the words of all of jusText's lists in lower case."""
    lists = [get_data("justext", f"stoplists/{name}.txt") or b"" for name in justext.get_stoplists()]
    return frozenset(filter(None, b"\n".join(lists).decode("utf-8").lower().split("\n")))


def speed_up_trafilatura() -> None:
    """Make this process's trafilatura faster; repeating it changes nothing.

    Side effects, all within trafilatura 2.3's modules: expressions become walks, the parser makes elements of one class
    instead of looking up the class of each in Python, a page is copied once less, and jusText's stop words are loaded.
    """
    for name in EXPRESSIONS:
        expressions = getattr(trafilatura.xpaths, name)
        expressions[:] = [_walk_or_same(expression) for expression in expressions]
    plain_elements = etree.ElementDefaultClassLookup(
        element=lxml.html.HtmlElement,
        comment=lxml.html.HtmlComment,
        pi=lxml.html.HtmlProcessingInstruction,
        entity=lxml.html.HtmlEntity,
    )
    trafilatura.utils.HTML_PARSER.set_element_class_lookup(plain_elements)
    trafilatura.external.JT_STOPLIST = all_stop_words()  # type: ignore[assignment]  # a set where it keeps a tuple
    trafilatura.core._extract_and_compare = _extract_and_compare


def _extract_and_compare(
    cleaned_tree: etree._Element, cleaned_tree_backup: etree._Element, tree: etree._Element, options: Extractor
) -> tuple[etree._Element, str]:
    """Replace trafilatura.core._extract_and_compare; with the focus on precision, without a copy of `tree`.

    The second extractor destroys the tree. The copy is for later passes, and with that focus there are none.
    """
    body, text = extract_content(cleaned_tree, options)
    if options.fast:
        return body, text
    raw = tree if options.focus == "precision" else copy(tree)
    return compare_extraction(cleaned_tree_backup, raw, body, text, options)


def _walk_or_same(expression: etree.XPath | Walk) -> etree.XPath | Walk:
    if isinstance(expression, Walk):
        return expression
    try:
        return Walk(expression)
    except ValueError:
        return expression
