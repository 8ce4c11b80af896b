from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.calls.apis import Api, write_apis
from stages.formats.calls.questions import Question, read_questions, write_questions
from stages.formats.calls.scores import read_call_scores
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.tools.score.config import ScoreConfig
from tests.stages.harness import run_stage

APIS = [Api(domain="Sums", api_call="hall.add(a=1)"), Api(domain="Names", api_call="hall.name(a='x')")]
QUESTIONS = [Question(id=str(place), text=f"Request {place}", api=api) for place, api in enumerate(APIS)]


def run(root: Path, answers: list[tuple[object, str]]) -> Path:
    """Return the folder of the scores."""
    root.mkdir(exist_ok=True)
    paths = {name: root / f"{name}.jsonl" for name in ("answers", "apis", "questions")}
    lines = (json.dumps({"question_id": question, "text": text}) + "\n" for question, text in answers)
    paths["answers"].write_text("".join(lines))
    write_apis(paths["apis"], APIS)
    write_questions(paths["questions"], QUESTIONS)
    config = ScoreConfig(answers="a", apis="b", questions="c", hubs={"town": "huggingface"})
    outputs = run_stage(config, {name: (InputFile(path, "town"),) for name, path in paths.items()}, root / "run")
    return outputs["call_scores"][0].path.parent


def test_answers_are_counted_by_verdict_with_samples_of_differences(tmp_path: Path) -> None:
    answers = ["api_call: hall.add(a=1)", "api_call: hall.name('x y')", "api_call: hall.fly()"]
    folder = run(tmp_path, list(zip((0, 1, "0"), answers, strict=True)))
    scores = read_call_scores(folder / "call_scores.json")
    assert {name: count for name, count in scores.modes["published"].items() if count} == {
        "correct": 2,
        "hallucination": 1,
    }
    assert scores.modes["strict"]["correct"] == 1
    assert scores.reasons == {"other_value": 1}
    assert [(each["question"], each["published_call"]) for each in scores.samples] == [("1", "hall.name(a='x')")]
    assert len((folder / "verdicts.jsonl").read_text().splitlines()) == 3


def test_answers_to_no_question_are_an_error_that_names_the_id(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no question has the id '7'"):
        run(tmp_path, [(7, "x")])
    with pytest.raises(DataError, match="no answers"):
        run(tmp_path / "two", [])


def test_questions_read_back(tmp_path: Path) -> None:
    write_questions(tmp_path / "q.jsonl", QUESTIONS)
    assert list(read_questions(tmp_path / "q.jsonl").values()) == QUESTIONS
    (tmp_path / "q.jsonl").write_text((tmp_path / "q.jsonl").read_text() * 2)
    with pytest.raises(DataError, match="an id stands twice"):
        read_questions(tmp_path / "q.jsonl")


def test_rollouts_answer_and_calls_of_functions_need_the_requests_own_arguments(tmp_path: Path) -> None:
    write_apis(tmp_path / "apis.jsonl", [Api(domain="Boats", api_call="hire(place='place')")])
    asked = [
        Question(id="a", text="A boat in Amble", api=Api(domain="Boats", api_call="hire(place='Amble')")),
        Question(id="b", text="A saw", api=None),
    ]
    write_questions(tmp_path / "questions.jsonl", asked)
    texts = {"a": "api_call: hire(place='Amble')", "b": "No API fits this request."}
    rows = [{"prompt": f"new/none/{name}", "text": text} for name, text in texts.items()]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = ScoreConfig(answers="a", apis="b", questions="c", hubs={"town": "functions"})
    names = ("answers", "apis", "questions")
    inputs = {name: (InputFile(tmp_path / f"{name}.jsonl", "town"),) for name in names}
    (file,) = run_stage(config, inputs, tmp_path / "run")["call_scores"]
    scores = read_call_scores(file.path)
    assert (scores.share("strict", "correct"), scores.share("strict", "refused")) == (1.0, 1.0)
