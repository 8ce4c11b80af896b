from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.formats.documents import read_documents
from stages.formats.funnel import Funnel, read_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import Row, read_tables
from stages.text.words.tokens import tokens
from stages.web.artifacts import KEPT
from stages.web.config import WebConfig
from tests.stages.harness import run_stage, unit_folder
from tests.stages.web.filtered import array, run_step, write_filtered, write_removed

A, B, C, D, E, F = (f"http://site.example/{name}" for name in "abcdef")


def words(start: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(start, start + count))


SHARED = words(0, 60)
UNITS = [
    [
        (A, words(1000, 70)),
        (B, f"{words(2000, 80)}\n\n{SHARED}\n\n{words(3000, 9)}."),
        (C, f"{SHARED} {words(4000, 5)}"),
    ],
    [(A, words(5000, 70)), (D, words(1000, 70)), (E, words(6000, 55)), (F, words(7000, 55))],
]
LANGUAGES = {E: "de"}


def run_all(folder: Path, **settings: Any) -> WebConfig:
    """Page 4 is a copy of page 0, 1 and 2 share a passage, 3 has the address of 0, 5 is German."""
    config = WebConfig(inputs="x", **settings)
    write_filtered(folder, UNITS, LANGUAGES)
    if config.dedup.enabled:
        write_removed(folder, [(4, 0, 1)])
    if config.exact.enabled:
        run_step(config, folder, "substrings", units=config.exact.parts)
    if config.url_dedup.enabled:
        run_step(config, folder, "urls")
    run_step(config, folder, "documents", units=len(UNITS))
    return config


def file(folder: Path, name: str, place: int) -> Path:
    return unit_folder(folder, "documents", place) / name


def texts(folder: Path, place: int) -> list[str]:
    return [row["text"] for row in read_documents(file(folder, KINDS.documents.file, place))]


def counts(funnel: Funnel) -> list[tuple[str, int, int, dict[str, int]]]:
    return [(step.name, step.pages_in, step.pages_out, step.reasons) for step in funnel]


def test_what_earlier_steps_found_is_applied_in_order_and_counted(tmp_path: Path) -> None:
    run_all(tmp_path, language={"position": "after"})
    cut = f"{words(2000, 80)}\n\n{words(3000, 9)}."
    assert texts(tmp_path, 0) == [words(1000, 70), cut]
    assert texts(tmp_path, 1) == [words(7000, 55)]
    first, second = (read_funnel(file(tmp_path, KINDS.funnel.file, place)) for place in (0, 1))
    assert counts(first)[2:] == [
        ("dedup", 3, 3, {}),
        ("substrings", 3, 2, {"too_short_after_cut": 1}),
        ("urls", 2, 2, {}),
        ("language", 2, 2, {}),
    ]
    assert counts(second)[2:] == [
        ("dedup", 4, 3, {"exact_duplicate": 1}),
        ("substrings", 3, 3, {}),
        ("urls", 3, 2, {"seen_url": 1}),
        ("language", 2, 1, {"other_language": 1}),
    ]
    assert first[3].notes == {"documents_cut": 1, "spans_cut": 1, "tokens_cut": 60}
    assert [step.name for step in first[:2]] == ["read", "quality"], "what was counted before is still there"


def test_bytes_and_tokens_are_those_of_what_is_passed_on(tmp_path: Path) -> None:
    run_all(tmp_path)
    for place in (0, 1):
        last = read_funnel(file(tmp_path, KINDS.funnel.file, place))[-1]
        kept = texts(tmp_path, place)
        assert last.bytes == sum(len(text.encode()) for text in kept)
        assert last.tokens == sum(len(tokens(text)) for text in kept)


@pytest.mark.parametrize("off", ["dedup", "exact", "url_dedup"])
def test_a_step_that_is_switched_off_is_not_in_the_funnel(tmp_path: Path, off: str) -> None:
    run_all(tmp_path, **{off: {"enabled": False}})
    names = [step.name for step in read_funnel(file(tmp_path, KINDS.funnel.file, 1))]
    step = {"dedup": "dedup", "exact": "substrings", "url_dedup": "urls"}[off]
    assert names == [name for name in ("read", "quality", "dedup", "substrings", "urls") if name != step]


def test_all_switched_off_passes_every_page_on(tmp_path: Path) -> None:
    run_all(tmp_path, **{name: {"enabled": False} for name in ("dedup", "exact", "url_dedup")})
    assert [texts(tmp_path, place) for place in (0, 1)] == [[text for _, text in pages] for pages in UNITS]


def test_parts_of_the_units_are_read_from_their_own_files(tmp_path: Path) -> None:
    run_all(tmp_path, exact={"parts": 2})
    assert texts(tmp_path, 0)[1] == f"{words(2000, 80)}\n\n{words(3000, 9)}."
    assert len(texts(tmp_path, 1)) == 2


def test_kept_says_which_filtered_pages_became_documents(tmp_path: Path) -> None:
    run_all(tmp_path)
    kept = [array(tmp_path, KEPT, place) for place in (0, 1)]
    assert [found.tolist() for found in kept] == [[0, 1], [2, 3]]
    assert kept[0].dtype == np.uint64


def test_rejects_keep_what_they_had_and_show_the_text_before_the_cut(tmp_path: Path) -> None:
    run_all(tmp_path)
    rows = [row for place in (0, 1) for row in read_documents(file(tmp_path, KINDS.rejects.file, place))]
    found = {(row["step"], row["reason"], row["id"]) for row in rows}
    assert found == {
        ("quality", "short", "x"),
        ("substrings", "too_short_after_cut", "0-2"),
        ("urls", "seen_url", "1-0"),
        ("dedup", "exact_duplicate", "1-1"),
    }
    assert next(row["text"] for row in rows if row["step"] == "substrings").startswith(SHARED)


def test_tables_count_what_was_kept(tmp_path: Path) -> None:
    run_all(tmp_path)
    tables = read_tables(file(tmp_path, KINDS.tables.file, 1))
    kept = texts(tmp_path, 1)
    assert tables.hosts() == [("site.example", Row(4, 2, sum(map(len, kept)), 110))]
    assert [(language, row.pages_read, row.pages_kept) for language, row in tables.languages()] == [
        ("en", 3, 1),
        ("de", 1, 1),
    ]


def test_a_unit_without_pages_is_written_empty(tmp_path: Path) -> None:
    config = WebConfig(inputs="x", dedup={"enabled": False})
    write_filtered(tmp_path, [[]])
    for name in ("substrings", "urls", "documents"):
        run_step(config, tmp_path, name)
    assert texts(tmp_path, 0) == []
    assert array(tmp_path, KEPT).shape == (0,)


def test_documents_are_the_filtered_pages_without_the_duplicates_in_order(sample_run: Any) -> None:
    dropping = ("dedup", "substrings", "urls")
    gone = {row["id"] for row in sample_run.rows("rejects") if row["step"] in dropping}
    for place, documents in enumerate(sample_run.outputs["documents"]):
        filtered = read_documents(unit_folder(sample_run.folder, "filter", place) / KINDS.documents.file)
        kept = [row["id"] for row in read_documents(documents.path)]
        assert kept == [row["id"] for row in filtered if row["id"] not in gone]


def test_rejects_have_step_and_reason_of_every_kind_of_loss(sample_run: Any) -> None:
    for place, rejects in enumerate(sample_run.outputs["rejects"]):
        found = {(row["step"], row["reason"]) for row in read_documents(rejects.path)}
        funnel = read_funnel(sample_run.outputs["funnel"][place].path)
        assert found == {(step.name, reason) for step in funnel for reason in step.reasons}


def test_a_sample_of_rejects_has_no_more_than_asked(sample_run: Any, tmp_path: Path) -> None:
    config = sample_run.config.model_copy(update={"rejects_per_reason": 2})
    outputs = run_stage(config, {"inputs": sample_run.warcs[:1]}, tmp_path)
    rows = [(row["step"], row["reason"]) for row in read_documents(outputs["rejects"][0].path)]
    assert max(map(rows.count, rows)) == 2
    assert len(set(rows)) > 25
