"""YAML is read as its author means it, or refused with the file, the line and the remedy."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from jobs.plan.yaml_file import AmbiguousYamlError, load_mapping, parse_value
from stages.shared.errors import DataError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1e-3", 1e-3),
        ("2e5", 2e5),
        ("1.5E+3", 1500.0),
        ("-.5", -0.5),
        ("7.", 7.0),
        ("3", 3),
        ("-0", 0),
        ("1_000_000", 1_000_000),
        ("0x1f", 31),
        ("0o17", 15),
        ("12:30", "12:30"),
        ("1:30:00", "1:30:00"),
        ("2024-10-01", "2024-10-01"),
        ("2024-10-01 12:30:00", "2024-10-01 12:30:00"),
        ("1.0T", "1.0T"),
        (".inf", ".inf"),
        ("nan", "nan"),
        ("=", "="),
        ("'no'", "no"),
        ('"010"', "010"),
        ("'1e-3'", "1e-3"),
        ("[no, 1e-3, 12:30]", ["no", 1e-3, "12:30"]),
        ("{no: no, 1: 2, true: x}", {"no": "no", "1": 2, "true": "x"}),
        ("{b: 0, <<: {a: 1, b: 2}}", {"a": 1, "b": 0}),
        ("{<<: [{a: 1}, {a: 2, b: 3}]}", {"a": 1, "b": 3}),
        ("*.warc.gz", "*.warc.gz"),
        ("[0-9]*.gz", "[0-9]*.gz"),
        ("CC-MAIN-2024-10[:20]", "CC-MAIN-2024-10[:20]"),
        ("[unfinished", "[unfinished"),
    ],
)
def test_a_value_of_the_command_line_is_what_it_looks_like(text: str, value: object) -> None:
    found = parse_value(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("010", '010 is octal to some programs and decimal to others. Write 10 for the number, "010" for a string'),
        ("-007", "Write -7 for the number"),
        ("1e999", "too large"),
        ("{a: 1, a: 2}", "the key 'a' stands in line 1 already"),
        ("!!python/object:os.system x", "the tag 'tag:yaml.org,2002:python/object:os.system' has no meaning here"),
        ("!int '3'", "the tag '!int'"),
        ("!list [3]", "the tag '!list'"),
        ("&a [*a]", "an anchor holds itself"),
        ("{[1, 2]: 3}", "a key is no name"),
        ("{'': 3}", "a key is no name"),
        ("{<<: 3}", "`<<` takes no mapping"),
    ],
)
def test_a_value_that_can_be_misread_is_refused_and_not_taken_for_text(text: str, said: str) -> None:
    with pytest.raises(AmbiguousYamlError) as caught:
        parse_value(text)
    assert said in str(caught.value)


def load(folder: Path, text: str | bytes) -> dict[str, object]:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_mapping(path, "sections")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a:\n  lr: 1\n  b: 2\n  lr: 3\n", 4, "the key 'lr' stands in line 2 already. Remove one of the two"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' stands in line 1 already"),
        ("a:\n\tb: 1\n", 2, "a tab. Use spaces"),
        ("a:\n  b:\t1\n", 2, "a tab. Use spaces"),
        ("a: 1\numask: 027\n", 2, "027 is octal to some programs and decimal to others. Write 27 for the number"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins. Remove the line `---`"),
        ("a: 1\ninputs: *.warc.gz\n", 2, "a `*` or `&` begins an alias. Quote the value"),
        ("a: 1\ninputs: *base\n", 2, "a `*` or `&` begins an alias. Quote the value"),
        ("a: 1\nb: Question: what\n", 2, "a second `: ` in one value. Quote a value that holds a colon"),
        ("a: 1\nb: @home\n", 2, "a value begins with a character that YAML reserves. Quote the value"),
        ("a: 1\nb\nc: 2\n", 3, "a line is no `key: value`"),
        ("a: 1\nb: [1, 2\n", 3, "a bracket or quote stays open"),
        ("a: 1\nb: 'x\n", 3, "a bracket or quote stays open"),
        ("a: 1\n b: 2\n", 2, "a second `: ` in one value"),
        ("a:\n  b: 1\n c: 2\n", 3, "Check the indentation"),
        ("a: 1\nb: !include x\n", 2, "the tag '!include' has no meaning here"),
        ("a: &x\n  b: *x\n", 1, "an anchor holds itself"),
    ],
)
def test_a_trap_is_named_with_file_line_and_remedy(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/mine.yaml:{line}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file holds nothing, not a mapping of sections. Write lines of `key: value`"),
        ("# only a comment\n", "the file holds nothing"),
        ("- a\n- b\n", "the file holds a list"),
        ("just words\n", "the file holds the value 'just words'"),
        (b"\xff\xfea\x00:\x00", "not UTF-8 at byte 0. Save the file as UTF-8"),
        ("a: b\x00c", "not YAML"),
    ],
)
def test_a_file_without_a_mapping_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/mine.yaml: ")
    assert said in str(caught.value)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder\.yaml: cannot be read \(Is a directory\)"):
        (tmp_path / "folder.yaml").mkdir()
        load_mapping(tmp_path / "folder.yaml", "sections")


def test_a_byte_order_mark_windows_lines_and_anchors_are_fine(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfbase: &base\r\n  a: 1\r\n  b: 2\r\nmine:\r\n  <<: *base\r\n  b: 3\r\nsame: *base\r\n"
    found = load(tmp_path, text)
    assert found == {"base": {"a": 1, "b": 2}, "mine": {"a": 1, "b": 3}, "same": {"a": 1, "b": 2}}
    assert found["same"] is not found["base"], "a change of one is no change of the other"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in itertools.pairwise("abcdefghi")
        ), "aliases make more than 1,000,000 values"),
        ("a: " + "9" * 5000, "more than 300 digits"),
        ('a: "x\\0y"', "a character that is no text"),
        ('a: "\\ud800"', "a character that is no text"),
        ('"a\\0": 1', "a character that is no text"),
        ("a: " + "[" * 5000, "too many brackets"),
    ],
)  # fmt: skip
def test_what_would_hang_or_break_a_launcher_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        load_mapping(path, "sections")
