"""The whole chain against the sample world's answer key: every page, in English and in Chinese, with its reason."""

import re
import shutil
from collections import Counter
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stages.formats.documents import read_documents
from stages.formats.funnel import merge, read_funnel
from stages.formats.kinds import KINDS
from stages.sample import chinese, prose
from stages.sample.config import SampleConfig
from stages.sample.html import FURNITURE
from stages.sample.pages import make_page
from stages.sample.world import make_world
from stages.text.settings import ExactSettings
from stages.text.words.tokens import tokens
from tests.answer_key import KEPT, Verdict, agree, counts, expected
from tests.stages.harness import run_unit, step_folder

NAMELESS = ("damaged_record",)
"""Losses whose record cannot be read, not even its id: only their number can be compared."""
JUNK = (
    "likes",
    "followers",
    "Read more",
    "READ MORE",
    "TOP STORY",
    "点赞",
    "评论",
    "次阅读",
    "分享",
    "阅读全文",
    "展开更多",
    "头条",
)


def wanted(run: Any) -> dict[str, Verdict]:
    """Return what must become of each page, by id."""
    steps = {step.name for file in run.outputs["funnel"] for step in read_funnel(file.path)}
    return {key["id"]: expected(key, run.config.language.languages, steps) for key in run.key}


def verdicts(run: Any) -> dict[str, Verdict]:
    """Return what became of each page, by id."""
    kept = {row["id"]: KEPT for row in run.rows("documents")}
    dropped = {row["id"]: (row["step"], row["reason"]) for row in run.rows("rejects") if row["id"]}
    assert not kept.keys() & dropped.keys()
    return kept | dropped


def keys_of(run: Any) -> dict[str, dict[str, Any]]:
    return {key["id"]: key for key in run.key}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_kept_or_dropped_for_the_reason_in_the_key(sample_run: Any, language: str) -> None:
    found, right = verdicts(sample_run), wanted(sample_run)
    own = [key for key in sample_run.key if key["language"] == language and key["reason"] not in NAMELESS]
    assert sum(right[key["id"]] == KEPT for key in own) > 100
    cases = Counter((key["kind"], right[key["id"]], found.get(key["id"])) for key in own)
    assert not {case: count for case, count in cases.items() if not agree(*case[1:])}


def test_pages_in_no_language_or_another_are_dropped_for_the_reason_in_the_key(sample_run: Any) -> None:
    found, right = verdicts(sample_run), wanted(sample_run)
    others = [key for key in sample_run.key if key["language"] not in ("en", "zh")]
    assert {key["kind"] for key in others} >= {"other_language", "low_score", "no_text", "not_html"}
    cases = Counter((key["kind"], right[key["id"]], found.get(key["id"])) for key in others)
    assert not {case: count for case, count in cases.items() if not agree(*case[1:])}


def test_the_funnel_counts_what_the_key_says(sample_run: Any) -> None:
    funnel = merge(read_funnel(file.path) for file in sample_run.outputs["funnel"])
    found = {(step.name, reason): count for step in funnel for reason, count in step.reasons.items()}
    assert counts(Counter(found).elements()) == counts(wanted(sample_run).values())
    assert funnel[0].pages_in == len(sample_run.key)
    assert funnel[-1].pages_out == len(sample_run.rows("documents"))
    assert funnel[-1].bytes == sum(len(row["text"].encode()) for row in sample_run.rows("documents"))
    assert funnel[-1].tokens == sum(len(tokens(row["text"])) for row in sample_run.rows("documents"))
    for before, after in pairwise(funnel):
        assert before.pages_out == after.pages_in


def test_exactly_one_page_of_each_group_is_left(sample_run: Any) -> None:
    right = wanted(sample_run)
    kept = {row["id"] for row in sample_run.rows("documents")}
    groups = Counter(key["group"] for key in sample_run.key if key["id"] in kept)
    assert set(groups) == {key["group"] for key in sample_run.key if right[key["id"]] == KEPT}
    assert set(groups.values()) == {1}


def test_no_markup_navigation_or_line_junk_is_left_in_the_text(sample_run: Any) -> None:
    right, keys = wanted(sample_run), keys_of(sample_run)
    around = {name for site in FURNITURE.values() for name in (*site.aside, *site.footer, site.more)}
    good = [row for row in sample_run.rows("documents") if right[row["id"]] == KEPT]
    for row in good:
        assert "<" not in row["text"]
        assert not [junk for junk in (*JUNK, *around) if junk in row["text"]], row["text"]
        lines = 4 + any(note in row["text"] for note in ("Zürich", "镕记"))
        at_most = lines + bool(keys[row["id"]]["passage"])
        assert lines <= row["text"].count("\n") + 1 <= at_most, row["text"]


def own_text(run: Any, key: dict[str, Any]) -> str:
    """Return the text of a page that carries a passage, without it."""
    page = make_page(run.sample, make_world(run.sample.seed), int(key["group"]))
    article = page.response.body.decode().partition("<article>")[2].partition("</article>")[0]
    *own, last = (unescape(line) for line in re.findall(r"<(?:h1|p)>(.*)</(?:h1|p)>", article))
    assert last == key["passage"]
    return "\n".join(own)


def carriers(run: Any, rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return the text and the passage of the kept pages that carry one, by id."""
    keys = keys_of(run)
    return {row["id"]: (row["text"], keys[row["id"]]["passage"]) for row in rows if keys[row["id"]]["passage"]}


def test_what_several_pages_carry_word_for_word_is_cut_and_nothing_else(sample_run: Any) -> None:
    keys, found = keys_of(sample_run), carriers(sample_run, sample_run.rows("documents"))
    assert len(found) >= 20 and {keys[name]["language"] for name in found} == {"en", "zh"}
    for name, (text, _) in found.items():
        whole = own_text(sample_run, keys[name])
        # a few tokens before the passage may happen to be the same on two pages
        assert whole.startswith(text) and len(whole) - len(text) <= 20


def test_by_the_rule_first_every_passage_stays_on_one_page(sample_run: Any, tmp_path: Path) -> None:
    done = ("extract", "filter", "signatures", "buckets", "cluster")
    for step in done:
        shutil.copytree(step_folder(sample_run.folder, step), step_folder(tmp_path, step))
    config = sample_run.config.model_copy(update={"exact": ExactSettings(rule="first")})
    steps = config.plan({"inputs": sample_run.warcs}).steps
    for step in (step for step in steps if step.name not in done):
        for place in range(len(step.units)):
            run_unit(config, step, place, {"inputs": sample_run.warcs}, tmp_path)
    files = sorted(step_folder(tmp_path, "documents").glob(f"*/{KINDS.documents.file}"))
    found = carriers(sample_run, [row for file in files for row in read_documents(file)])
    copies = Counter(passage for text, passage in found.values() if passage in text)
    assert copies == dict.fromkeys((passage for _, passage in found.values()), 1)


def test_pages_in_other_character_sets_are_read_without_a_scratch(sample_run: Any) -> None:
    texts = {row["id"]: row["text"] for row in sample_run.rows("documents")}
    kinds = [(key["kind"], key["language"], texts[key["id"]]) for key in sample_run.key if key["id"] in texts]
    western = [text for kind, _, text in kinds if kind in ("article_in_cp1252", "article_in_utf16")]
    assert western and all(prose.WESTERN in text and "\ufffd" not in text for text in western)
    chinese_sets = [text for kind, _, text in kinds if kind == "article_in_gb18030"]
    assert chinese_sets and all(chinese.NOTE in text and "\ufffd" not in text for text in chinese_sets)
    assert any(chinese.RARE in text for text in chinese_sets)
    thanks = {"en": "Thank you \ufffd for reading.", "zh": "感谢\ufffd您的阅读。"}
    bad = [(language, text) for kind, language, text in kinds if kind == "article_with_bad_byte"]
    assert {language for language, _ in bad} == {"en", "zh"}
    assert all(thanks[language] in text for language, text in bad)


def test_documents_have_every_field_and_their_dump(sample_run: Any) -> None:
    keys = keys_of(sample_run)
    for file in sample_run.outputs["documents"]:
        assert file.source in SampleConfig().dumps
    for row in sample_run.rows("documents"):
        assert set(row) == {"id", "url", "text", "language", "language_score", "source", "dump"}
        assert row["language"] == keys[row["id"]]["language"] and row["language_score"] >= 0.65
        assert row["dump"] in SampleConfig().dumps
