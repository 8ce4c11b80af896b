import re

import pytest
from datatrove.data import Document

from stages.web.blocks import step_count
from stages.web.extract import Extraction, clean, resiliparse_text
from stages.web.settings import ExtractionSettings

STORY = "The hills were quiet and the river was wide on that day. " * 5
PAGE = f"<html><body><nav><a href='/'>Home</a></nav><article><h1>A walk</h1><p>{STORY}</p></article></body></html>"
EMPTY = "<html><body><script>var x = 1;</script></body></html>"


def extract(settings: ExtractionSettings, *pages: str) -> tuple[list[str], Extraction]:
    block = Extraction(settings)
    documents = [Document(text=page, id=str(number)) for number, page in enumerate(pages)]
    return [doc.text for doc in block.run(iter(documents))], block


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
def test_both_extractors_find_the_text_and_drop_pages_without(extractor: str) -> None:
    texts, block = extract(ExtractionSettings(extractor=extractor), PAGE, EMPTY)
    assert len(texts) == 1 and STORY.strip() in texts[0] and "Home" not in texts[0]
    assert step_count(block).reasons == {"no_text": 1}


@pytest.mark.parametrize("limit", [{"max_tags": 5}, {"max_chars": 50}])
def test_pages_over_a_limit_go_to_resiliparse_and_are_counted(limit: dict[str, int]) -> None:
    texts, block = extract(ExtractionSettings(**limit), PAGE)
    assert STORY.strip() in texts[0]
    assert step_count(block).notes == {"fallback_size": 1}


def test_a_page_on_which_trafilatura_takes_too_long_is_kept_by_resiliparse() -> None:
    slow = "<html><body>" + f"<div>{STORY}</div>" * 20_000 + "</body></html>"
    texts, block = extract(ExtractionSettings(timeout_s=0.05, max_chars=10**8), slow)
    assert "hills" in texts[0]
    assert step_count(block).notes == {"fallback_no_answer": 1}


@pytest.mark.parametrize("page", ["<div>" * 20_000 + STORY, "<p>" * 20_000 + STORY, "<table>" + "<tr><td>x" * 20_000])
def test_nested_and_huge_markup_does_not_stop_the_block(page: str) -> None:
    texts, _ = extract(ExtractionSettings(), page, PAGE)
    assert STORY.strip() in texts[-1]


def test_the_child_ends_with_the_pipeline_even_if_it_is_left_early() -> None:
    block = Extraction(ExtractionSettings())
    pages = block.run(iter([Document(text=PAGE, id="1"), Document(text=PAGE, id="2")]))
    next(pages)
    assert block._guard._child is not None
    pages.close()
    assert block._guard._child is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n\n\nb", "a\n\nb"),
        ("a \r\n\t b  ", "a\nb"),
        ("see https://a.example/x?y=1, www.b.example and ftp://c", "see   and"),
        ("an e.g. and 3.5 stay", "an e.g. and 3.5 stay"),
        ("", ""),
        ("https://a.example", ""),
    ],
)
def test_texts_are_cleaned(text: str, expected: str) -> None:
    assert clean(text, re.compile("\n{3,}"), "\n\n", remove_urls=True) == expected


def test_addresses_stay_if_asked() -> None:
    assert clean("see www.b.example", re.compile("\n{3,}"), "\n\n", remove_urls=False) == "see www.b.example"


def test_resiliparse_leaves_navigation_out() -> None:
    assert "Home" not in resiliparse_text(PAGE)
