from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.formats.calls.inline import without_calls
from stages.formats.chat.syntheses import read_synthesis
from stages.formats.documents import DocumentWriter, read_documents
from stages.shared.contract import InputFile
from stages.tools.annotate import run as module
from stages.tools.annotate.config import AnnotateConfig
from tests.stages.harness import run_stage, step_folder
from tests.stages.teacher.scripted import Reply, ScriptedTeacher, misbehaving

DOCUMENTS = [
    {"id": "a", "url": "https://x.org/2023/01/30/", "text": "3 cats and 4 dogs are 7 animals"},
    {"id": "b", "url": "https://x.org/", "text": "no numbers here"},
    {"id": "c", "url": "https://x.org/2024/02/29/", "text": "2 + 2 = 4 and more"},
]


class Calling:
    """A model that wants a call before every word, and expects any text more behind a call with a result."""

    first, start, max_tokens = (0,), (1,), 5000

    def __init__(self, call: str) -> None:
        self._call = call

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def decode(self, tokens: tuple[int, ...]) -> str:
        return "".join(map(chr, tokens))

    def score(self, windows: Any) -> list[float]:
        return [-0.1 if " -> " in self.decode(given) and wanted != self.start else -2.0 for given, wanted in windows]

    def sample(self, prompts: Any) -> list[str]:
        return [self._call] * len(prompts)


MOTTO = "Wer nicht wagt, der nicht gewinnt, und wer nicht sucht, der findet auch nichts."


def run(root: Path, monkeypatch: pytest.MonkeyPatch, call: str, **given: Any) -> tuple[list[dict[str, Any]], Any]:
    """Return the annotated documents, and the synthesis of each unit."""
    root.mkdir()
    with DocumentWriter(root / "d.zst") as writer:
        for document in given.pop("texts", DOCUMENTS):
            writer.write(document)
    monkeypatch.setattr(module, "open_checkpoint", lambda folder, tokenizer: None)
    monkeypatch.setattr(module, "EngineModel", lambda opened, seed: Calling(call))
    config = AnnotateConfig(
        **{"documents": "d", "checkpoint": "c", "tokenizer": "t", "top_k": 1, "samples": 2, **given}
    )
    names = ("documents", "checkpoint", "tokenizer", "corpus")
    inputs = {name: (InputFile(root / "d.zst", "web"),) for name in names}
    outputs = run_stage(config, inputs, root / "run")
    found = [document for file in outputs["documents"] for document in read_documents(file.path)]
    return found, [read_synthesis(file.path) for file in outputs["synthesis"]]


def test_documents_get_calls_with_results_and_all_candidates_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, (synthesis,) = run(tmp_path / "one", monkeypatch, "Calculator(3+4)]", tool="calculator")
    assert [each["id"] for each in found] == ["a", "c"]
    assert found[0]["text"] == "[Calculator(3+4) -> 7.00] 3 cats and 4 dogs are 7 animals"
    assert [without_calls(each["text"]) for each in found] == [DOCUMENTS[0]["text"], DOCUMENTS[2]["text"]]
    assert (synthesis.candidates, synthesis.kept, synthesis.rejected) == (4, 2, {"not_best": 2})
    lines = (step_folder(tmp_path / "one" / "run", "annotate") / "00000" / module.CANDIDATES).read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["kept", "not_best"] * 2


def test_shares_together_have_the_documents_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = run(tmp_path / "one", monkeypatch, "Calculator(3+4)]", tool="calculator")
    two, _ = run(tmp_path / "two", monkeypatch, "Calculator(3+4)]", tool="calculator", shares=2)
    assert sorted(one, key=str) == sorted(two, key=str)


def test_a_calendar_says_the_date_of_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = run(tmp_path / "one", monkeypatch, "Calendar()]", tool="calendar")
    days = [each["text"].partition("]")[0] for each in found]
    assert days == [
        f"[Calendar() -> Today is {day}." for day in ("Monday, January 30, 2023", "Thursday, February 29, 2024")
    ]


def test_a_search_finds_passages_of_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = run(tmp_path / "one", monkeypatch, 'Search("dogs")]', tool="search", corpus="x")
    assert len(found) == 3
    assert found[1]["text"] == "[Search(dogs) -> 3 cats and 4 dogs are 7 animals] no numbers here"


def test_a_call_that_fails_is_counted_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, (synthesis,) = run(tmp_path / "one", monkeypatch, "Calculator(cats)]", tool="calculator")
    assert (found, synthesis.kept, synthesis.rejected) == ([], 0, {"failed": 4})
    assert "bad_expression" in synthesis.samples[0]["detail"]


def test_a_question_is_answered_by_the_endpoint_in_spite_of_its_troubles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "How many animals are there?"
    with ScriptedTeacher(misbehaving(lambda body, _: Reply(text=f"{len(body['messages'])}: 7"))) as teacher:
        endpoint = {"url": teacher.url, "model": "m"}
        found, _ = run(tmp_path / "one", monkeypatch, f"Question({asked})]", tool="question", endpoint=endpoint)
    assert [each["text"].partition("] ")[0] for each in found] == [f"[Question({asked}) -> 1: 7"] * len(DOCUMENTS)
    assert len(teacher.arrivals) == 1


def test_a_text_in_another_language_is_translated_where_the_call_stands_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [
        {"id": "a", "url": "https://x.org/", "text": f"The words above the door are: {MOTTO}"},
        {"id": "b", "url": "https://x.org/", "text": "The words above the door are long and in English, like these."},
        {"id": "c", "url": "https://x.org/", "text": f"{MOTTO} {MOTTO}"},
    ]
    with ScriptedTeacher(lambda body, _: Reply(text="Nothing ventured, nothing gained.")) as teacher:
        given = {"tool": "translation", "endpoint": {"url": teacher.url, "model": "m"}, "tau_s": 0.0, "top_k": 1000}
        found, (synthesis,) = run(tmp_path / "one", monkeypatch, f"Translation({MOTTO})]", texts=texts, **given)
    assert [each["id"] for each in found] == ["a", "c"]
    assert found[0]["text"].count("-> Nothing ventured, nothing gained.]") == 1 + texts[0]["text"].index(MOTTO)
    failed = [each["detail"] for each in synthesis.samples if each["reason"] == "failed"]
    assert failed
    assert all("after_its_text" in detail for detail in failed)


def test_english_is_not_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"tool": "translation", "endpoint": {"url": "http://h/v1", "model": "m"}, "prefilter": False}
    call = "Translation(animals that are here)]"
    texts = [{"id": "a", "url": "https://x.org/", "text": "These are the animals that are here"}]
    found, (synthesis,) = run(tmp_path / "one", monkeypatch, call, texts=texts, **given)
    assert (found, synthesis.rejected) == ([], {"failed": 2})
    assert "is_english" in synthesis.samples[0]["detail"]
