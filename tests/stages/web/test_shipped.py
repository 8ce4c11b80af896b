from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.web import shipped
from stages.web.config import WebConfig
from stages.web.shipped import URL_LISTS, WORD_LISTS, shipped_digest, shipped_text

DATA = Path(shipped.__file__).parent / "data"


def test_every_list_that_ships_is_part_of_some_digest() -> None:
    assert {*URL_LISTS.values(), *WORD_LISTS} == {path.name for path in DATA.iterdir()}


def test_an_edited_list_makes_other_steps_of_those_that_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> dict[str, str]:
        plan = WebConfig(inputs="x").plan({"inputs": (InputFile(Path("x"), "a"),)})
        return {step.name: step.data for step in plan.steps if step.data}

    def edited(name: str) -> str:
        return shipped_text(name) + ("one more\n" if name == changed else "")

    before, changed = digests(), "strict.txt"
    monkeypatch.setattr(shipped, "shipped_text", edited)
    assert [name for name in before if digests()[name] != before[name]] == ["extract"]
    changed = "stop_words.txt"
    assert [name for name in before if digests()[name] != before[name]] == ["extract", "filter"]


def test_the_digest_does_not_depend_on_the_order() -> None:
    assert (
        shipped_digest("hard.txt", "soft.txt") == shipped_digest("soft.txt", "hard.txt") != shipped_digest("soft.txt")
    )
