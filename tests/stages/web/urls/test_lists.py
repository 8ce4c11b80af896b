from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.text import word_lists
from stages.text.word_lists import shipped_text
from stages.web.config import WebConfig
from stages.web.urls import lists
from stages.web.urls.lists import SHIPPED, load_lists, read_list

DATA = Path(lists.__file__).parents[1] / "data"


def test_every_list_that_ships_has_a_kind() -> None:
    assert set(SHIPPED.values()) == {path.name for path in DATA.iterdir()}


def test_an_edited_list_makes_other_steps_of_those_that_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> dict[str, str]:
        plan = WebConfig(inputs="x").plan({"inputs": (InputFile(Path("x"), "a"),)})
        return {step.name: step.data for step in plan.steps if step.data}

    def edited(package: str, name: str) -> str:
        return shipped_text(package, name) + ("en: more\n" if name == changed else "")

    before, changed = digests(), "strict.txt"
    monkeypatch.setattr(word_lists, "shipped_text", edited)
    assert [name for name in before if digests()[name] != before[name]] == ["extract"]
    changed = "stop_words.txt"
    assert [name for name in before if digests()[name] != before[name]] == ["extract", "filter"]


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("binary", "missing"):
        with pytest.raises(DataError, match=f"{name}: unreadable"):
            load_lists([InputFile(tmp_path / name, "blocked")], ())


def test_the_real_lists_of_another_project_load_as_they_are(real_pages: Path) -> None:
    folder = real_pages / "url_lists"
    own = [InputFile(folder / f"refinedweb_banned_words_{kind}.txt", kind) for kind in ("strict", "hard", "soft")]
    lists = load_lists(own, ())
    assert (len(lists.strict), len(lists.hard), len(lists.soft)) == (117, 176, 83)


WRITTEN = """\ufeffbom.example\r
.leading.example\r
*.star.example
http://scheme.example/
https://scheme-port.example:8443
//relative.example
port.example:8080
UPPER.Example.  # a comment
bücher.example
xn--bcher-kva.example
0.0.0.0 hosts.example second.example
127.0.0.1\ttab.example # why
::1 six.example
1.2.3.4
[2001:DB8::1]:80

# only a comment
xxx
"""
READ = {
    *("bom", "leading", "star", "scheme", "scheme-port", "relative", "port", "upper", "xn--bcher-kva"),
    *("hosts", "second", "tab", "six"),
}


@pytest.mark.parametrize("kind", ["blocked", "allowed", "excluded"])
def test_hosts_are_understood_as_people_write_them(tmp_path: Path, kind: str) -> None:
    (tmp_path / "list").write_bytes(WRITTEN.encode())
    expected = {f"{name}.example" for name in READ} | {"1.2.3.4", "2001:db8::1", "xxx"}
    assert read_list(tmp_path / "list", kind) == expected
    assert getattr(load_lists([InputFile(tmp_path / "list", kind)], ()), kind) == expected


@pytest.mark.parametrize(
    "line",
    [
        "http://news.example/a/path",
        "news.example/path",
        "two words",
        "news.example other.example",
        "ads*.example",
        "||news.example^",
        "user@news.example",
        "-news.example",
        "news..example",
        "0.0.0.0 news.example/path",
        "*",
        ".",
    ],
)
def test_what_is_no_host_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "list").write_text(f"# mine\nfine.example\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"list:3: .* is not a host\. Write a host such as news\.example"):
        read_list(tmp_path / "list", "blocked")


def test_words_are_read_behind_a_byte_order_mark_and_strict_ones_without_signs(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes("\ufefftu-lip\r\nRose\r\n".encode())
    assert load_lists([InputFile(tmp_path / "words", "strict")], ()).strict == ["rose", "tulip"]
