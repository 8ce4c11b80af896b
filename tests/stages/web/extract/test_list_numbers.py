import lxml.html
import pytest
import trafilatura.htmlprocessing
import trafilatura.xml

from stages.web.extract.list_numbers import number_ordered_lists, numbers

ITEMS = "<li>a<li>b<li>c"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (f"<ol>{ITEMS}</ol>", [1, 2, 3]),
        (f"<ol start=3>{ITEMS}</ol>", [3, 4, 5]),
        (f"<ol reversed>{ITEMS}</ol>", [3, 2, 1]),
        (f"<ol start=-1>{ITEMS}</ol>", [-1, 0, 1]),
        (f"<ol start=x>{ITEMS}</ol>", [1, 2, 3]),
        ("<ol><li>a<li value=7>b<li>c</ol>", [1, 7, 8]),
        ("<ol></ol>", []),
    ],
)
def test_items_are_numbered_as_browsers_number_them(html: str, expected: list[int]) -> None:
    ordered = lxml.html.fromstring(html)
    assert numbers(ordered, ordered.findall("li")) == expected


def test_a_text_has_the_numbers_of_its_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trafilatura.xml, "_list_marker", trafilatura.xml._list_marker)
    monkeypatch.setattr(trafilatura.htmlprocessing, "CONVERSIONS", {**trafilatura.htmlprocessing.CONVERSIONS})
    number_ordered_lists()
    number_ordered_lists()
    prose = (
        "<p>"
        + "The hills were quiet and the river was wide on that day, and not a sound was to be heard. " * 3
        + "</p>"
    )
    lists = "<ol start=3><li>First <b>one</b><li>Second<ul><li>bullet</ul><ol><li>inner</ol></ol><ul><li>plain</ul>"
    html = f"<html><body><article><h1>A walk</h1>{prose}{lists}{prose}</article></body></html>"
    text = trafilatura.extract(html, favor_precision=True, include_comments=False) or ""
    assert "\n3. First one\n4. Second\n  - bullet\n  1. inner\n- plain\n" in text
