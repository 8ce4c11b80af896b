"""The whole chain against the sample world's answer key: every page, with its reason."""

from collections import Counter
from itertools import pairwise
from typing import Any

from stages.sample.config import SampleConfig
from stages.sample.kinds import KEPT
from stages.sample.pages import WESTERN
from stages.shared.funnel import merge, read_funnel
from stages.web.words import tokens

NAMELESS = ("damaged_record",)
"""Losses whose record cannot be read, not even its id: only their number can be compared."""


def verdicts(run: Any) -> dict[str, tuple[str, str]]:
    kept = {row["id"]: ("", "") for row in run.rows("documents")}
    dropped = {row["id"]: (row["step"], row["reason"]) for row in run.rows("rejects") if row["id"]}
    assert not kept.keys() & dropped.keys()
    return kept | dropped


def test_every_page_is_kept_or_dropped_for_the_reason_in_the_key(sample_run: Any) -> None:
    found = verdicts(sample_run)
    wrong = Counter(
        (key["kind"], key["step"], key["reason"], found.get(key["id"]))
        for key in sample_run.key
        if key["reason"] not in NAMELESS and found.get(key["id"]) != (key["step"], key["reason"])
    )
    assert not wrong


def test_the_funnel_counts_what_the_key_says(sample_run: Any) -> None:
    funnel = merge(read_funnel(file.path) for file in sample_run.outputs["funnel"])
    expected = Counter((key["step"], key["reason"]) for key in sample_run.key if key["verdict"] == "drop")
    found = {(step.name, reason): count for step in funnel for reason, count in step.reasons.items()}
    assert found == expected
    assert [step.name for step in funnel] == [
        *("read", "url", "extraction", "language", "repetition", "quality", "lines", "dedup")
    ]
    assert funnel[0].pages_in == len(sample_run.key)
    assert funnel[-1].pages_out == len(sample_run.rows("documents"))
    assert funnel[-1].bytes == sum(len(row["text"].encode()) for row in sample_run.rows("documents"))
    assert funnel[-1].tokens == sum(len(tokens(row["text"])) for row in sample_run.rows("documents"))
    for before, after in pairwise(funnel):
        assert before.pages_out == after.pages_in


def test_exactly_one_page_of_each_group_is_left(sample_run: Any) -> None:
    kept = {row["id"] for row in sample_run.rows("documents")}
    groups = Counter(key["group"] for key in sample_run.key if key["id"] in kept)
    wanted = {key["group"] for key in sample_run.key if key["verdict"] == "keep"}
    assert set(groups) == wanted
    assert set(groups.values()) == {1}


def test_no_markup_navigation_or_line_junk_is_left_in_the_text(sample_run: Any) -> None:
    for row in sample_run.rows("documents"):
        lines = row["text"].split("\n")
        assert "<" not in row["text"]
        for junk in ("likes", "followers", "Read more", "TOP STORY", "Imprint", "Privacy", "newsletter"):
            assert junk not in row["text"]
        assert len(lines) == (5 if "Zürich" in row["text"] else 4), row["text"]


def test_pages_in_other_character_sets_are_read_without_a_scratch(sample_run: Any) -> None:
    texts = {row["id"]: row["text"] for row in sample_run.rows("documents")}
    kinds = [(key["kind"], texts[key["id"]]) for key in sample_run.key if key["kind"] in KEPT]
    western = [text for kind, text in kinds if kind in ("article_in_cp1252", "article_in_utf16")]
    assert western and all(WESTERN in text and "\ufffd" not in text for text in western)
    bad = [text for kind, text in kinds if kind == "article_with_bad_byte"]
    assert bad and all("Thank you \ufffd for reading." in text for text in bad)


def test_documents_have_every_field_and_their_dump(sample_run: Any) -> None:
    for file in sample_run.outputs["documents"]:
        assert file.source in SampleConfig().dumps
    for row in sample_run.rows("documents"):
        assert set(row) == {"id", "url", "text", "language", "language_score", "source", "dump"}
        assert row["language"] == "en" and row["language_score"] >= 0.65
        assert row["dump"] in SampleConfig().dumps
