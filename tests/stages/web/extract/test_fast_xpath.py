import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lxml.html
import pytest
import trafilatura.utils
import trafilatura.xpaths
from lxml import etree
from trafilatura.external import jt_stoplist_init

from stages.shared.contract import InputFile
from stages.web.extract.fast_xpath import EXPRESSIONS, REGEXP_NS, Walk, all_stop_words
from stages.web.read.reader import WarcPages

ROOT = Path(__file__).parents[4]
HTML = """<html><body><div class="Nav" id="x">a</div><div id="cookie" class="bar">b</div><div class="bar" id="cookie">c
</div><section><p class="post">d</p><p role="x">e</p></section><ol class="comments"><li>f</li></ol><div class="comment">
<h1>g</h1></div><span style="">h</span><main><p class=""></p></main></body></html>"""


def numbers(found: list[etree._Element], tree: etree._Element) -> list[int]:
    order = {element: number for number, element in enumerate(tree.iter())}
    return [order[element] for element in found]


@pytest.mark.parametrize(
    "path",
    [
        ".//*[self::div or self::p][re:test(@class, 'n.v', 'i')]",
        ".//*[re:test(@id|@class, 'cookie')]",
        ".//*[@class='bar' or starts-with(@id|@class, 'coo') or @role]",
        ".//*[self::span][@style]",
        ".//*[self::p][@class='']",
        "(.//*[self::p or self::div][contains(@class, 'o')])[1]",
        ".//*[contains(translate(@class, 'N', 'n'), 'nav')]",
        ".//*[self::div or self::ol][starts-with(@class, 'comment')][not(.//h1) or @id]",
        ".//*[self::form][@class]",
    ],
)
def test_a_walk_finds_what_the_expression_finds(path: str) -> None:
    tree = lxml.html.fromstring(HTML)
    expression = etree.XPath(path, namespaces=REGEXP_NS)
    assert numbers(Walk(expression)(tree), tree) == numbers(expression(tree), tree)
    for element in tree.iter():  # from any place in the tree
        assert Walk(expression)(element) == expression(element)


@pytest.mark.parametrize("path", [".//header", "(.//article)[1]", ".//*[count(p) > 1]", ".//div[@class and text()]"])
def test_expressions_of_another_form_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Walk(etree.XPath(path))


def test_nearly_all_of_the_librarys_expressions_are_of_that_form() -> None:
    expressions = [expression for name in EXPRESSIONS for expression in getattr(trafilatura.xpaths, name)]
    refused = [expression.path for expression in expressions if not _is_walk(expression)]
    assert len(expressions) == 15
    assert len(refused) == 3, refused


def _is_walk(expression: etree.XPath) -> bool:
    try:
        return bool(Walk(expression))
    except ValueError:
        return False


def test_stop_words_are_the_librarys() -> None:
    assert all_stop_words() == {word.lower() for word in jt_stoplist_init()}


@pytest.fixture(scope="module")
def markup(real_pages: Path) -> Iterator[list[str]]:
    yield [doc.text for doc in WarcPages([InputFile(real_pages / "pages.warc.gz", "real")]).run(None)]


def test_each_walk_finds_on_real_pages_what_the_expression_finds(markup: list[str]) -> None:
    pairs = [
        (expression, Walk(expression))
        for name in EXPRESSIONS
        for expression in getattr(trafilatura.xpaths, name)
        if _is_walk(expression)
    ]
    for html in markup[::12]:
        tree = trafilatura.utils.load_html(html)
        for expression, walk in pairs:
            wanted = expression(tree)
            assert walk(tree) == (wanted[:1] if walk.is_first_only else wanted), expression.path


SCRIPT = """
import sys, trafilatura
from pathlib import Path
from stages.shared.contract import InputFile
from stages.web.extract.child import main_text
from stages.web.extract.fast_xpath import speed_up_trafilatura
from stages.web.read.reader import WarcPages
pages = [doc.text for doc in WarcPages([InputFile(Path(sys.argv[1]), "real")]).run(None)][:: int(sys.argv[2])]
before = [main_text(html) for html in pages]
speed_up_trafilatura()
speed_up_trafilatura()
sys.exit(sum(old != main_text(html) for old, html in zip(before, pages, strict=True)))
"""


def test_texts_of_real_pages_are_the_same_to_the_byte(real_pages: Path) -> None:
    """A tenth of the pages, in a process of its own: the library stays as it is for the other tests."""
    command = [sys.executable, "-c", SCRIPT, str(real_pages / "pages.warc.gz"), "10"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
