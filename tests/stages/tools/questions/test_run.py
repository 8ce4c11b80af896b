from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.formats.calls.apis import Api, write_apis
from stages.formats.calls.questions import Question, read_questions, write_questions
from stages.formats.chat.syntheses import read_synthesis
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.tools.questions.config import QuestionsConfig
from tests.stages.harness import run_stage
from tests.stages.teacher.scripted import Reply, ScriptedTeacher

APIS = [Api(domain=f"D{place}", api_name=f"tool_{place}", api_call=f"hall.tool_{place}(a='x')") for place in range(5)]


def requests(body: Mapping[str, Any], _number: int) -> Reply:
    """Write four requests for the API of the prompt: one that names it, one twice, one too short."""
    document = body["messages"][-1]["content"].rpartition("Documentation: ")[2]
    name = next(api.api_name for api in APIS if api.api_name in document)
    texts = [f"I want the thing number {name[-1]} done", f"Use {name} for my cat", "Do it.", "I WANT the thing number "]
    texts[3] += f"{name[-1]} done"
    return Reply(text="\n".join(f"{place}. {text}" for place, text in enumerate(texts, start=1)))


def run(root: Path, rule: Any = requests, **settings: Any) -> dict[str, tuple[InputFile, ...]]:
    root.mkdir(exist_ok=True)
    write_apis(root / "apis.jsonl", APIS)
    write_questions(root / "seeds.jsonl", [Question(id="s", text="Please do this for me.", api=APIS[0])])
    inputs = {"apis": (InputFile(root / "apis.jsonl", ""),), "seeds": (InputFile(root / "seeds.jsonl", ""),)}
    with ScriptedTeacher(rule) as server:
        teacher = {"url": server.url, "model": "m"}
        return run_stage(QuestionsConfig(apis="a", seeds="s", teacher=teacher, **settings), inputs, root / "run")


def questions_of(outputs: dict[str, tuple[InputFile, ...]], source: str) -> list[Question]:
    files = [file for file in outputs["api_questions"] if file.source == source]
    return [each for file in files for each in read_questions(file.path).values()]


def test_requests_that_name_the_api_are_counted_and_left_out(tmp_path: Path) -> None:
    outputs = run(tmp_path, heldout=0)
    found = questions_of(outputs, "train")
    assert [each.text for each in found] == [f"I want the thing number {place} done" for place in range(5)]
    assert [each.api for each in found] == APIS
    synthesis = read_synthesis(outputs["synthesis"][0].path)
    assert synthesis.rejected == {"names_the_api": 5, "too_short": 5, "repeated": 5}
    assert synthesis.requests == {"requests": 5}


def test_questions_do_not_depend_on_the_number_of_units(tmp_path: Path) -> None:
    one, three = run(tmp_path / "one", heldout=0.4), run(tmp_path / "three", heldout=0.4, shares=3)
    for source in ("train", "heldout"):
        assert questions_of(one, source) == questions_of(three, source)
    assert len(questions_of(one, "train")) + len(questions_of(one, "heldout")) == 5


def test_answers_without_requests_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no request was kept \(\{'no_list': 5\}\)"):
        run(tmp_path, lambda body, number: Reply(text="I cannot."))
