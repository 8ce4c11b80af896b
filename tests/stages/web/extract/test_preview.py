import pytest
from datatrove.data import Document

from stages.text.blocks.gate import step_count
from stages.web.extract.preview import Preview
from stages.web.settings import GateSettings

ENGLISH = "The hills were quiet and the river was wide on that day. " * 10
GERMAN = "Die Hügel waren still und der Fluss war an diesem Tag sehr breit. " * 10
TABLE = "<table>" + "<tr><td>The hills were quiet and the river wide</td></tr>" * 10 + "</table>"


def page(text: str) -> str:
    return f"<html><body><nav><a href='/'>Home</a></nav><article><p>{text}</p></article></body></html>"


def preview(*pages: str, languages: tuple[str, ...] | None = ("en",), **gates: float) -> tuple[list[Document], Preview]:
    block = Preview(GateSettings(**gates), languages)  # type: ignore[arg-type]
    documents = (Document(text=html, id=str(number)) for number, html in enumerate(pages))
    return list(block.run(documents)), block


def test_what_passes_keeps_its_markup_and_carries_the_fast_text() -> None:
    (doc,), block = preview(page(ENGLISH))
    assert doc.text == page(ENGLISH) and doc.metadata["fast_text"].strip() == ENGLISH.strip()
    assert step_count(block).reasons == {}


def test_other_languages_are_dropped_unless_they_are_wanted() -> None:
    assert step_count(preview(page(GERMAN))[1]).reasons == {"other_language": 1}
    assert step_count(preview(page(GERMAN), languages=("en", "de"))[1]).reasons == {}
    assert step_count(preview(page(GERMAN), languages=None)[1]).reasons == {}
    assert step_count(preview(page(GERMAN), min_wanted=0)[1]).reasons == {}


def test_pages_with_hardly_any_text_are_dropped() -> None:
    pages = ("<html></html>", page(""), page("Ten words of English are not enough for this rule."))
    assert step_count(preview(*pages)[1]).reasons == {"no_text": 1, "too_few_words": 2}
    assert step_count(preview(pages[-1], min_words=5)[1]).reasons == {}


def test_where_the_main_text_is_short_all_of_the_page_counts() -> None:
    hidden = f"<html><body><nav>{ENGLISH}</nav></body></html>"  # navigation: the fast extractor finds nothing
    (doc,), block = preview(hidden)
    assert doc.metadata["fast_text"].strip() == ""
    assert step_count(block).notes == {"short_main_text": 1}


def test_a_dropped_page_is_shown_by_its_text() -> None:
    doc = Document(text=page(GERMAN), id="1")
    assert Preview(GateSettings(), ("en",)).reason(doc) == "other_language"
    assert doc.text.strip() == GERMAN.strip()


@pytest.mark.parametrize(("text", "reason"), [(ENGLISH, None), (GERMAN, "other_language"), ("Hi.", "too_few_words")])
def test_a_page_that_came_as_text_is_not_parsed(text: str, reason: str | None) -> None:
    doc = Document(text=text, id="1", metadata={"is_plain": True})
    assert Preview(GateSettings(), ("en",)).reason(doc) == reason
    assert doc.text == text and "fast_text" not in doc.metadata
