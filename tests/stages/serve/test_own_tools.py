from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from stages.formats.calls.tool_calls import ToolCall
from stages.formats.documents import DocumentWriter
from stages.serve import own_tools
from stages.serve.own_tools import open_toolbox
from stages.toolbox.dates import today_is
from tests.stages.serve.world import corpus_of, settings

TEXTS = ["The mill of Brook sells flour.", "The bridge of Dover has a keeper."]


def test_the_tools_of_the_settings_are_opened_and_an_index_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(tmp_path, TEXTS)
    config = settings(toolbox=["search", "calendar", "calculator"], passage_words=6)
    box = open_toolbox(config, corpus, tmp_path / "indexes")
    assert [*box.tools] == ["search", "calendar", "calculator"]
    assert box.call(ToolCall("search", '{"query": "Dover bridge"}')).text == "The bridge of Dover has a"
    assert box.call(ToolCall("calendar", "{}")).text == today_is(date.today())
    assert box.call(ToolCall("calculator", '{"expression": "1/3"}')).text == "0.33"
    monkeypatch.setattr(own_tools, "make_index", None)
    again = open_toolbox(config, corpus, tmp_path / "indexes")
    assert again.call(ToolCall("search", '{"query": "flour"}')).text == "The mill of Brook sells flour."
    assert [path.name[0] for path in (tmp_path / "indexes").iterdir()] != ["."]


def test_other_documents_have_another_index(tmp_path: Path) -> None:
    config = settings(toolbox=["search"])
    corpus = corpus_of(tmp_path, TEXTS)
    open_toolbox(config, corpus, tmp_path / "indexes")
    with DocumentWriter(corpus[0]) as writer:
        writer.write({"id": "1", "text": "A lamp costs nine pence."})
    box = open_toolbox(config, corpus, tmp_path / "indexes")
    assert box.call(ToolCall("search", '{"query": "lamp"}')).text == "A lamp costs nine pence."
    assert box.call(ToolCall("search", '{"query": "flour"}')).reason == "nothing_found"
    assert len([*(tmp_path / "indexes").iterdir()]) == 2


def test_without_settings_no_tool_is_run() -> None:
    assert open_toolbox(settings(), (), Path("/nowhere")).functions == []
