"""Judges pairs by an endpoint: in both orders and by each rubric. No answer is asked for twice, in any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stages.align.judge.config import JudgeConfig
from stages.align.judge.described import descriptions
from stages.align.judge.pairs import Pair
from stages.align.judge.reading import Question, Reader, verdict_of
from stages.formats.chat.judgements import Verdict
from stages.shared.task import Task
from stages.teacher.asking import Asker
from stages.teacher.request import Answer


def by_endpoint(task: Task[JudgeConfig], pairs: Sequence[Pair]) -> list[Verdict]:
    """Return the verdicts on pairs."""
    config = task.config
    described = descriptions(task.inputs.get("pictures", ()), pairs)
    questions = {
        name: Question(path, config.parameters, config.form, described) for name, path in config.rubric_paths().items()
    }
    with Asker(task, config.require_teacher()) as asker:
        return verdicts_of(pairs, questions, asker)


def verdicts_of(pairs: Sequence[Pair], questions: Mapping[str, Question], asker: Asker) -> list[Verdict]:
    """Return the verdict on each pair by each rubric, pair by pair."""
    columns = []
    for rubric, question in questions.items():
        requests = [request for pair in pairs if not is_decided(pair) for request in question.requests(pair)]
        answers = iter(asker.ask(rubric, requests))
        columns.append([_verdict(pair, asker.model, rubric, answers, question.read) for pair in pairs])
    return [verdict for row in zip(*columns, strict=True) for verdict in row]


def is_decided(pair: Pair) -> bool:
    """Return whether a pair needs no request: equal answers are a tie. The control of equal answers needs them."""
    return pair.control == "" and pair.answers[0] == pair.answers[1]


def _verdict(pair: Pair, judge: str, rubric: str, answers: Iterator[Answer], read: Reader) -> Verdict:
    if is_decided(pair):
        return pair.verdict(judge, rubric, "tie")
    return verdict_of(pair, judge, rubric, (next(answers), next(answers)), read)
