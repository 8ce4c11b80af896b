"""Judges pairs by an endpoint: in both orders and by each rubric. No answer is asked for twice, in any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.align.judge.config import JudgeConfig
from stages.align.judge.pairs import Pair, pairs_of_task
from stages.align.judge.reading import Question, verdict_of
from stages.align.judge.tally import ASKED
from stages.formats.chat.judgements import Verdict, write_verdicts
from stages.formats.kinds import KINDS
from stages.shared.files import write_json
from stages.shared.task import Task
from stages.teacher.asking import Asker
from stages.teacher.request import Answer


def judge(task: Task[JudgeConfig]) -> dict[str, Any]:
    """Write the verdicts on this unit's pairs, and the number of requests by rubric."""
    config = task.config
    questions = {name: Question(path, config.parameters) for name, path in config.rubric_paths().items()}
    with Asker(task, config.require_teacher()) as asker:
        verdicts = verdicts_of(pairs_of_task(task), questions, asker)
    write_verdicts(task.out / KINDS.verdicts.file, verdicts)
    write_json(task.out / ASKED, dict(asker.requests))
    return {"verdicts": len(verdicts), "unparsed": sum(each.outcome == "unparsed" for each in verdicts)}


def verdicts_of(pairs: Sequence[Pair], questions: Mapping[str, Question], asker: Asker) -> list[Verdict]:
    """Return the verdict on each pair by each rubric, pair by pair."""
    columns = []
    for rubric, question in questions.items():
        requests = [request for pair in pairs if not is_decided(pair) for request in question.requests(pair)]
        answers = iter(asker.ask(rubric, requests))
        columns.append([_verdict(pair, asker.model, rubric, answers) for pair in pairs])
    return [verdict for row in zip(*columns, strict=True) for verdict in row]


def is_decided(pair: Pair) -> bool:
    """Return whether nobody has to be asked: equal answers are a tie. The control of equal answers is asked."""
    return pair.control == "" and pair.answers[0] == pair.answers[1]


def _verdict(pair: Pair, judge: str, rubric: str, answers: Iterator[Answer]) -> Verdict:
    if is_decided(pair):
        return pair.verdict(judge, rubric, "tie")
    return verdict_of(pair, judge, rubric, (next(answers), next(answers)))
