import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from stages.formats import tables as module
from stages.formats.tables import MAX_HOSTS, UNKNOWN, Row, Tables, merge, read_tables
from stages.shared.errors import DataError


def crawl(*pages: tuple[str, str, bool]) -> Tables:
    """Count pages given as host, language and whether they are kept, with ten bytes and two tokens each."""
    tables = Tables()
    for host, language, is_kept in pages:
        tables.read(host, language)
        if is_kept:
            tables.kept(host, language, 10, 2)
    return tables


A = crawl(("a.example", "en", True), ("a.example", "zh", True), ("b.example", "en", False), ("", UNKNOWN, False))


def test_pages_are_counted_by_host_and_by_language_the_most_first() -> None:
    assert A.hosts() == [
        ("a.example", Row(2, 2, 20, 4)),
        ("", Row(1, 0, 0, 0)),
        ("b.example", Row(1, 0, 0, 0)),
    ]
    assert A.languages() == [("en", Row(2, 1, 10, 2)), ("", Row(1, 0, 0, 0)), ("zh", Row(1, 1, 10, 2))]
    assert A.other == Row(0, 0, 0, 0)


def test_a_page_can_be_read_before_its_language_is_known() -> None:
    tables = crawl(("a.example", UNKNOWN, False), ("a.example", UNKNOWN, False))
    tables.identified("zh")
    assert tables.languages() == [("", Row(1, 0, 0, 0)), ("zh", Row(1, 0, 0, 0))]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    tables = crawl(*[(f"{host}.example", "en", True) for host in range(30)], ("\ud800\x00'\"", "\u2028", True))
    tables.write(tmp_path / "tables.json")
    again = read_tables(tmp_path / "tables.json")
    assert (again.hosts(), again.languages()) == (tables.hosts(), tables.languages())
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tables.json").read_bytes()


def test_counting_goes_on_in_another_step(tmp_path: Path) -> None:
    tables = crawl(("a.example", "en", False))
    tables.write(tmp_path / "tables.json")
    later = read_tables(tmp_path / "tables.json")
    later.kept("a.example", "en", 7, 1)
    later.kept("unlisted.example", "en", 5, 1)
    assert later.hosts() == [("a.example", Row(1, 1, 7, 1))]
    assert later.other == Row(0, 1, 5, 1)
    assert later.languages() == [("en", Row(1, 2, 12, 2))]


def test_merging_adds_up_in_whatever_order() -> None:
    b = crawl(("b.example", "en", True), ("c.example", "de", True))
    one, other = merge([A, b]), merge([b, A])
    assert (one.hosts(), one.languages(), one.other) == (other.hosts(), other.languages(), other.other)
    assert dict(one.hosts())["b.example"] == Row(2, 1, 10, 2)
    assert dict(A.hosts())["b.example"] == Row(1, 0, 0, 0), "merging must not change its input"


def test_a_file_lists_the_largest_hosts_and_sums_up_the_others(tmp_path: Path) -> None:
    pages = [(f"{host:05d}.example", "en", True) for host in range(MAX_HOSTS + 200) for _ in range(1 + host % 3)]
    tables = crawl(*pages)
    tables.write(tmp_path / "tables.json")
    again = read_tables(tmp_path / "tables.json")
    counts = sorted(Counter(host for host, _, _ in pages).items(), key=lambda item: (-item[1], item[0]))
    assert [(host, row.pages_read) for host, row in again.hosts()] == counts[:MAX_HOSTS]
    assert again.other.pages_read == again.other.pages_kept == sum(count for _, count in counts[MAX_HOSTS:])
    assert again.unlisted == counts[MAX_HOSTS][1] == 1
    assert again.languages() == [("en", Row(len(pages), len(pages), 10 * len(pages), 2 * len(pages)))]


def test_however_many_hosts_there_are_few_are_counted_at_a_time_and_no_large_one_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 100)
    hosts = [f"{number % 20}.big" if number % 3 == 0 else f"{number}.small" for number in range(9_000)]
    tables = merge(
        crawl(*[(host, "en", True) for host in hosts[start : start + 900]]) for start in range(0, 9_000, 900)
    )
    counts = Counter(hosts)
    listed = dict(tables.hosts())
    assert len(listed) <= 100
    assert sum(row.pages_read for row in listed.values()) + tables.other.pages_read == len(hosts)
    for host, count in counts.items():
        found = listed[host].pages_read if host in listed else 0
        assert count - tables.unlisted <= found <= count
    assert all(left[1].pages_read >= right[1].pages_read for left, right in pairwise(tables.hosts()))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"hosts": [], "languages": {}, "other": [0, 0, 0, 0], "unlisted": 0},
        {"hosts": {"a": [1, 2, 3]}, "languages": {}, "other": [0, 0, 0, 0], "unlisted": 0},
        {"hosts": {"a": [1, 2, 3, -4]}, "languages": {}, "other": [0, 0, 0, 0], "unlisted": 0},
        {"hosts": {}, "languages": {"en": [1, 2, 3, 4.5]}, "other": [0, 0, 0, 0], "unlisted": 0},
        {"hosts": {}, "languages": {}, "other": [0, 0, 0, 0], "unlisted": "many"},
    ],
)
def test_what_holds_no_tables_is_named_with_its_file(tmp_path: Path, value: object) -> None:
    (tmp_path / "tables.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match=r"tables\.json.*Run the unit that wrote it again"):
        read_tables(tmp_path / "tables.json")
