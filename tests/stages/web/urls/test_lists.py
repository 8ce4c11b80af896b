from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.text import word_lists
from stages.text.word_lists import shipped_text
from stages.web.config import WebConfig
from stages.web.urls import lists
from stages.web.urls.lists import SHIPPED, load_lists

DATA = Path(lists.__file__).parents[1] / "data"


def test_every_list_that_ships_has_a_kind() -> None:
    assert set(SHIPPED.values()) == {path.name for path in DATA.iterdir()}


def test_an_edited_list_makes_other_steps_of_those_that_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> dict[str, str]:
        plan = WebConfig(inputs="x").plan({"inputs": (InputFile(Path("x"), "a"),)})
        return {step.name: step.data for step in plan.steps if step.data}

    def edited(package: str, name: str) -> str:
        return shipped_text(package, name) + ("one more\n" if name == changed else "")

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
