"""Tools of a unit: what a row that calls them gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets import load_dataset

from stages.evaluate.backends.calling import WITHHELD, UnitTools, open_tools
from stages.evaluate.backends.windows import day_of
from stages.formats.documents import DocumentWriter
from stages.generate.requests import Growth, Insert, Request
from stages.generate.sampling import Sampling

REQUEST = Request(prompt=(1,), sampling=Sampling(max_tokens=1))


class Characters:
    """A token is a character's number."""

    eos_id = 0

    def encode(self, text: str) -> list[int]:
        return [*map(ord, text)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


CODEC = Characters()


def corpus(folder: Path, *texts: str) -> list[Path]:
    with DocumentWriter(folder / "news.zst") as writer:
        for text in texts:
            writer.write({"id": "", "text": text})
    return [folder / "news.zst"]


def result(tools: UnitTools, text: str, day: str = "") -> str:
    hook = tools.on(REQUEST, day).hook
    assert hook is not None
    found = hook(Growth((), text))
    assert isinstance(found, Insert)
    return CODEC.decode(found.tokens)


def test_each_tool_answers_in_the_text_and_an_unknown_one_says_so(tmp_path: Path) -> None:
    pages = corpus(tmp_path, "the fox is in the barn", "a heron at the lake")
    tools = open_tools(["calculator", "search"], pages, 100, CODEC)
    assert result(tools, "[Calculator(1+2) ->") == " 3.00]"
    assert result(tools, "[Search(heron) ->") == " a heron at the lake]"
    assert "known: Calculator, Search" in result(tools, "[Calendar() ->")


def test_the_calendar_tells_the_date_of_the_row() -> None:
    tools = open_tools(["calendar"], [], 100, CODEC)
    for day, said in (("2026-11-27", "Friday, November 27, 2026"), ("2026-11-28", "Saturday, November 28, 2026")):
        assert result(tools, "[Calendar() ->", day) == f" Today is {said}.]"
    assert "no date is known" in result(tools, "[Calendar() ->")


def test_withheld_tools_begin_no_call(tmp_path: Path) -> None:
    tools = open_tools([], [], 100, CODEC)
    assert tools.identity == WITHHELD
    steer = tools.on(REQUEST, "").steer
    assert steer is not None
    found = steer([])
    assert found is not None
    assert found.banned == (ord("["),)


def test_answers_depend_on_the_names_and_on_what_is_searched(tmp_path: Path) -> None:
    one = open_tools(["search"], corpus(tmp_path, "a fox"), 100, CODEC).identity
    two = open_tools(["search"], corpus(tmp_path, "a hare"), 100, CODEC).identity
    assert len({one, two, open_tools(["calculator"], [], 100, CODEC).identity}) == 3


def test_the_date_of_a_row_is_a_day_also_where_datasets_made_a_time_of_it(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"date": "2028-04-15"}\n')
    (row,) = load_dataset("json", data_files=str(tmp_path / "rows.jsonl"), cache_dir=str(tmp_path), split="train")
    assert day_of(row) == day_of({"date": "2028-04-15"}) == "2028-04-15"
    assert day_of({}) == ""
