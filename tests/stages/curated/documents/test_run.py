"""Rows of ready-made sets: presets in the sets' own shapes, suffixes, bad rows, C4's rules."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pydantic import ValidationError

from stages.curated.documents.config import DocumentsConfig
from stages.curated.documents.rows import column, lines
from tests.stages.curated.sources import run

TEXT = "The quick brown fox jumps over the lazy dog. It was a fine day in the village, and people sang."
ROWS: dict[str, dict[str, Any]] = {
    "oscar": {
        "content": TEXT,
        "warc_headers": {"warc-target-uri": "https://a.org/", "warc-record-id": "<urn:1>", "warc-date": "2022-11-29"},
        "metadata": {"identification": {"label": "en", "prob": 0.93}},
    },
    "c4": {"text": TEXT, "url": "https://a.org/", "timestamp": "2019-04-25T12:57:54Z"},
    "pile": {"text": TEXT, "meta": {"pile_set_name": "PubMed Central"}},
    "fineweb": {"text": TEXT, "id": "<urn:1>", "url": "https://a.org/", "language": "en", "language_score": 0.93},
    "redpajama": {"text": TEXT, "meta": '{"url": "https://a.org/", "language": "en", "source": "cc/2023-06"}'},
}


@pytest.mark.parametrize("preset", ROWS)
def test_rows_of_well_known_sets_are_documents(preset: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[preset]) + "\n")
    config = DocumentsConfig.model_validate({"files": "x", "preset": preset})
    (found,) = run(config, tmp_path, tmp_path / "a.jsonl").documents
    assert (found["text"], found["language"]) == (TEXT, "en")
    assert found["url"] == ("" if preset == "pile" else "https://a.org/")
    assert found["source"] == {"pile": "PubMed Central", "redpajama": "cc/2023-06"}.get(preset, "x")
    assert found["id"]


PACKS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.bz2": bz2.compress,
    ".jsonl.xz": lzma.compress,
    ".json.zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("suffix", [*PACKS, ".parquet", ".arrow", "stream.arrow"])
def test_every_container_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    rows = [{"body": f"Row {number} of a table.", "id": str(number)} for number in range(700)]
    path = tmp_path / f"a{suffix}"
    if suffix in PACKS:
        path.write_bytes(PACKS[suffix]("".join(json.dumps(row) + "\n" for row in rows).encode()))
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    else:
        make = pa.ipc.new_stream if "stream" in suffix else pa.ipc.new_file
        table = pa.Table.from_pylist(rows)
        with make(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    config = DocumentsConfig.model_validate({"files": "x", "columns": {"text": "body"}})
    assert run(config, tmp_path, path).texts == {row["id"]: row["body"] for row in rows}


def test_bad_rows_cost_themselves_and_a_long_line_no_memory(tmp_path: Path) -> None:
    bad = [
        b"{broken",
        b"[1]",
        b'{"text": 5}',
        b'{"other": "x"}',
        b'{"text": ""}',
        b'{"text": "' + b"x" * 3_000_000 + b'"}',
    ]
    good = json.dumps({"text": TEXT}).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([good, *bad, b"\xff\xfe", good.replace(b"fox", b"cat")]))
    found = run(DocumentsConfig(files="x", max_row_mb=1), tmp_path, tmp_path / "a.jsonl")
    assert len(found.documents) == 2
    assert found.reasons == {"unreadable_record": 3, "no_text": 3, "too_large": 1}
    assert list(lines((b"y" * 1000 for _ in range(100_000)), 10_000)) == [None]


def test_a_file_that_is_cut_gives_its_rows(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"text": f"{TEXT} {number}"}) + "\n" for number in range(5000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(rows.encode())[:-3000])
    found = run(DocumentsConfig(files="x"), tmp_path, tmp_path / "a.jsonl.gz")
    assert len(found.documents) > 100 and found.reasons["truncated_file"] == 1
    pq.write_table(pa.table({"text": [TEXT]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes((tmp_path / "b.parquet").read_bytes()[:-30])
    both = run(DocumentsConfig(files="x"), tmp_path / "b", tmp_path / "a.jsonl.gz")
    assert both.reasons == found.reasons


def test_rules_and_comparison_are_settings(tmp_path: Path) -> None:
    good = " ".join([TEXT] * 3)
    texts = [good, good, "Home\nLogin\nShort text.", f"{good} {{ code }}"]
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"text": text, "id": str(n)}) + "\n" for n, text in enumerate(texts))
    )
    config = DocumentsConfig.model_validate({"files": "x", "c4": {}, "distinct": {"near": "none"}})
    found = run(config, tmp_path, tmp_path / "a.jsonl")
    assert list(found.texts) == ["0"]
    assert found.reasons == {"too_few_sentences": 1, "curly_bracket": 1, "exact_duplicate": 1}


def test_a_column_that_no_row_has_is_an_error_of_the_recipe() -> None:
    with pytest.raises(ValidationError, match="textt"):
        DocumentsConfig.model_validate({"files": "x", "columns": {"textt": "body"}})
    assert column({"a": {"b": 1}, "a.c": 2}, "a.b") == 1
    assert column({"a": {"b": 1}, "a.c": 2}, "a.c") == 2
    assert column({"a": "{broken"}, "a.b") is None
