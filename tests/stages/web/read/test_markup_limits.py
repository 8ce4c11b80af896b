import time
from pathlib import Path

import pytest

from stages.web.extract.resiliparse_text import main_text
from stages.web.read.markup_limits import LONG_TAG, MAX_ATTRIBUTES, MAX_DEPTH, broken_limit, depth
from stages.web.read.warc import Page
from tests.stages.web.warcs import read_file

MANY = MAX_DEPTH + 1
ATTRIBUTES = b" ".join(b"a%d=1" % number for number in range(MAX_ATTRIBUTES + 1))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<div>" * MANY, "too_deep"),
        (b"<DIV class=x>" * MANY + b"</DIV>" * MANY, "too_deep"),
        (b"<a><b>" * MANY, "too_deep"),
        (b"<article><p>x" * MANY, "too_deep"),
        (b"<div></div>" * MANY, ""),
        (b"<br><img src=x><p>x<li>y<HR/>" * MANY, ""),
        (b"<" * MANY + b"</" * MANY + b"<>" * MANY, ""),
        (b"<p " + ATTRIBUTES + b">", "too_many_attributes"),
        (b"<p " + ATTRIBUTES, "too_many_attributes"),
        (b"<p " + ATTRIBUTES.replace(b"=1", b"") + b" " * LONG_TAG + b">", "too_many_attributes"),
        (b"<path d='" + b"M 1 2 " * LONG_TAG + b"'>", ""),
        (b"<img src=data:" + b"A" * 9 * LONG_TAG + b">", ""),
        (b"<script>" + b"var a = 1;" * LONG_TAG + b"</script>", ""),
        (b"", ""),
        (b"<", ""),
    ],
)
def test_only_markup_that_no_page_needs_is_refused(body: bytes, expected: str) -> None:
    assert broken_limit(body) == expected


def test_what_passes_is_parsed_in_seconds() -> None:
    """The worst that is let through; twice the depth takes four times as long, or more."""
    start = time.process_time()
    main_text("<article><p>x" * (MAX_DEPTH - 1))
    main_text("<p " + ATTRIBUTES.decode() + ">x")
    assert time.process_time() - start < 30


def test_real_pages_are_far_from_the_limits(real_pages: Path) -> None:
    pages = [item.body for item in read_file(real_pages / "pages.warc.gz", 32_000_000) if isinstance(item, Page)]
    assert not any(map(broken_limit, pages))
    assert max(map(depth, pages)) < 1_000
