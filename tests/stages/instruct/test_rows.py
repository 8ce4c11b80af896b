from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from stages.formats.chat.rejects import Reject
from stages.instruct.rows import Row, read_rows

DATA = Path(__file__).parents[4] / "shared" / "data" / "instruct" / "flan_cot"
COLUMNS = ("question", "answer", "rationale")


def read(path: Path, columns: tuple[str, ...] = (), inline: str = "") -> list[Row | str]:
    return [row.reason if isinstance(row, Reject) else row for row in read_rows(path, columns, inline)]


def test_a_broken_line_costs_itself_and_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "task.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": "one\xe2\x80\xa8two"}\n\n{"a": \n[1]\n{"a": "\xff"}\r\n{"a": 2}')
    bad = "unreadable_row"
    assert read(path) == [{"a": "one\u2028two"}, bad, bad, bad, {"a": 2}]


def test_a_quotation_mark_and_a_carriage_return_end_no_cell(tmp_path: Path) -> None:
    path = tmp_path / "task.tsv"
    path.write_bytes(b'"Is it?\tyes\tone\\ntwo\n"No\tno\n\xff\tno\tno\nSo "it" is\ryes\tno\tx\r\n')
    assert read(path, ("q", "a", "r")) == [
        {"q": '"Is it?', "a": "yes", "r": "one\ntwo"},
        "unreadable_row",
        "unreadable_row",
        {"q": 'So "it" is\ryes', "a": "no", "r": "x"},
    ]
    assert read(path)[0] == "unreadable_row"  # without names the first line has them, here three


def test_parquet_has_the_rows_of_jsonl_and_what_is_none_is_counted(tmp_path: Path) -> None:
    rows = [{"question": "q", "options": ["x", "y"], "answer": 1}, {"question": "p", "options": ["z"], "answer": 1}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "task.parquet")
    assert read(tmp_path / "task.parquet") == rows
    whole = (tmp_path / "task.parquet").read_bytes()
    for name, damaged in {"none": b"PAR1", "cut": whole[:-9], "page": whole[:4] + b"\0" * 60 + whole[64:]}.items():
        (tmp_path / f"{name}.parquet").write_bytes(damaged)
        assert read(tmp_path / f"{name}.parquet") == ["unreadable_file"], name
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing.parquet")


def test_options_within_a_question_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "task.tsv"
    path.write_text("Which?\\nOptions:\\n- (A) one\\n- (B) two\t(B)\tWhy\nOptions: none\tno\tx\n")
    assert read(path, COLUMNS, "question") == [
        {"question": "Which?", "options": ["(A) one", "(B) two"], "answer": "(B)", "rationale": "Why"},
        {"question": "Options: none", "answer": "no", "rationale": "x"},
    ]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"FLAN's chains of thought are not in {DATA}")
def test_the_files_of_flan_are_read_whole() -> None:
    found = {}
    for path in sorted(DATA.glob("*.tsv")):
        rows = read(path, COLUMNS, "question")
        assert all(isinstance(row, dict) and all(row[name] for name in COLUMNS) for row in rows)
        found[path.name.partition("_")[0]] = (len(rows), sum("options" in row for row in rows))
    assert found == {"creak": (700, 494), "gsm8k": (700, 0), "qasc": (1084, 1084), "strategyqa": (2061, 0)}
