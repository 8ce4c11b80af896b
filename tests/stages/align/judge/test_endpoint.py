"""An endpoint judges: both orders, shards, kills, a second run, controls and bias."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.align.judge import run
from stages.align.judge.config import JudgeConfig
from stages.formats.chat.judgements import Judgement, WinRate, read_judgement, read_verdicts
from stages.formats.preferences import read_preferences
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed
from tests.stages.align.judge.judges import GOOD, biased, fair, saying, texts_of, write_answers
from tests.stages.harness import make_task, run_stage
from tests.stages.teacher.scripted import Reply, ScriptedTeacher, misbehaving

Files = dict[str, tuple[InputFile, ...]]
COUNT, EQUAL = 6, 2
REQUESTS = 2 * (COUNT - EQUAL + COUNT + 4) + 4
"""By a rubric: two orders of each pair of different answers and of each shuffled one; equal answers have one order."""
POLICIES: Mapping[str, Callable[[int], str]] = {
    "sft": lambda number: f"answer {number} {GOOD}",
    "ppo": lambda number: f"answer {number} {GOOD} {GOOD if number % 5 else ''}".strip(),  # equal to SFT's: 0 and 5
    "rude": lambda number: f"no {number}",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return {"answers": write_answers(tmp_path_factory.mktemp("answers"), POLICIES, COUNT)}


def configured(url: str, **given: Any) -> JudgeConfig:
    teacher = {"url": url, "model": "m", **given.pop("teacher", {})}
    given = {"rubrics": ["helpful", "honest"], "controls": 4, **given}
    return JudgeConfig.model_validate({"answers": {"sft": "x"}, "against": "sft", "teacher": teacher, **given})


def rate_of(found: Judgement, policy: str, **wanted: str) -> WinRate:
    wanted = {"policy": policy, "control": "", "rubric": "", "source": "", **wanted}
    (rate,) = (each for each in found.rates if all(getattr(each, name) == value for name, value in wanted.items()))
    return rate


def test_the_better_answer_wins_in_both_orders_and_equal_ones_cost_nothing(files: Files, tmp_path: Path) -> None:
    with ScriptedTeacher(fair) as server:
        outputs = run_stage(configured(server.url), files, tmp_path)
        asked = len(server.charged)
    found = read_judgement(outputs["judgement"][0].path)
    ppo, rude = rate_of(found, "ppo"), rate_of(found, "rude")
    assert (ppo.wins, ppo.ties, ppo.losses, ppo.rate) == (COUNT - EQUAL, EQUAL, 0, 5 / 6)
    assert (rude.rate, rude.scores) == (0.0, (1.0, 2.0))
    assert (ppo.first, ppo.second, found.unparsed) == (0, 0, {})
    assert rate_of(found, "ppo", rubric="honest").rate == 5 / 6
    assert rate_of(found, "rude", source="facts").prompts == COUNT // 2
    assert rate_of(found, "sft", control="same").rate == 0.5
    assert rate_of(found, "sft", control="shuffled").rate == 0.5  # this judge does not read the question
    assert found.readings == {"helpful": REQUESTS + 4, "honest": REQUESTS + 4}
    assert asked == 2 * REQUESTS
    rankings = list(read_preferences(outputs["preferences"][0].path))
    assert len(rankings) == COUNT  # one record a prompt: the pairs of one prompt are never apart
    assert [each.ranks for each in rankings[:2]] == [(1, 1, 2), (2, 1, 3)]
    assert {(each.ranked_by, *(response.source for response in each.responses)) for each in rankings} == {
        ("m", "sft", "ppo", "rude")
    }


def test_a_judge_that_likes_the_first_place_finds_ties_and_is_found_out(files: Files, tmp_path: Path) -> None:
    with ScriptedTeacher(biased) as server:
        found = read_judgement(run_stage(configured(server.url), files, tmp_path)["judgement"][0].path)
    rude = rate_of(found, "rude")
    assert (rude.rate, rude.ties, rude.first, rude.second) == (0.5, COUNT, 2 * COUNT, 0)
    assert rate_of(found, "sft", control="shuffled").rate == 0.5


def test_shards_troubles_and_replays_change_no_byte_and_a_second_run_asks_nothing(files: Files, tmp_path: Path) -> None:
    made = []
    with ScriptedTeacher(fair) as calm, ScriptedTeacher(misbehaving(fair)) as rough:
        for place, (server, shards) in enumerate(((calm, 1), (rough, 2), (calm, 7))):
            stored = {"answers": str(tmp_path / "0" / "answers")} if place == 2 else {}
            config = configured(server.url, shards=shards, teacher=stored, rubrics=["helpful"])
            outputs = run_stage(config, files, tmp_path / str(place))
            made.append({kind: found[0].path.read_bytes() for kind, found in outputs.items()})
        assert calm.charged.keys() == rough.charged.keys()
        assert set(calm.arrivals.values()) == {1}
    assert made[0] == made[1] == made[2]


def test_a_stopped_judge_goes_on_and_asks_nothing_twice(files: Files, tmp_path: Path) -> None:
    with ScriptedTeacher(fair) as server:
        config = configured(server.url, teacher={"concurrency": 1}, rubrics=["helpful"])
        (_, step) = config.plan(files).steps
        task = make_task(config, step, 0, files, tmp_path / "stopped")
        with pytest.raises(Checkpointed):
            run.judge(dataclasses.replace(task, should_stop=lambda: len(server.charged) >= 1))
        task.out.rename(tmp_path / "attempt")
        stopped = run_stage(config, files, tmp_path / "stopped")
        assert set(server.arrivals.values()) == {1}
    with ScriptedTeacher(fair) as server:
        whole = run_stage(configured(server.url, rubrics=["helpful"]), files, tmp_path / "whole")
    assert stopped["verdicts"][0].path.read_bytes() == whole["verdicts"][0].path.read_bytes()


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (saying("I cannot decide."), "no_verdict"),
        (saying("A: 11, B: 3, better: A"), "out_of_range"),
        (saying("A: 3, B: 9, better: A"), "contradiction"),
        (lambda _body, _number: Reply(text="A: 3, B: 9, better: B", finish="length"), "cut_answer"),
        (lambda _body, _number: Reply(text="", finish="content_filter"), "no_answer"),
    ],
)
def test_an_answer_that_cannot_be_read_counts_for_no_side(
    files: Files, tmp_path: Path, judge: Callable[..., Reply], reason: str
) -> None:
    with ScriptedTeacher(judge) as server:
        outputs = run_stage(configured(server.url, rubrics=["helpful"], controls=0), files, tmp_path)
    found = read_judgement(outputs["judgement"][0].path)
    rude = rate_of(found, "rude")
    assert (rude.rate, rude.unparsed) == (None, COUNT)
    assert found.unparsed == {reason: 2 * (2 * COUNT - EQUAL)}
    rankings = list(read_preferences(outputs["preferences"][0].path))
    assert [[each.source for each in ranking.responses] for ranking in rankings] == [["sft", "ppo"]] * 2  # equal ones


def test_another_rubric_another_model_or_another_answer_is_asked_anew(files: Files, tmp_path: Path) -> None:
    rubric = tmp_path / "brief.txt"
    rubric.write_text("Brevity. {{ 7 * 7 }} The shorter response is better.")
    seen = set()

    def judge(body: Mapping[str, Any], number: int) -> Reply:
        criterion, *_ = texts_of(body["messages"][0]["content"])
        seen.add(criterion)
        return fair(body, number)

    with ScriptedTeacher(judge) as server:
        asked: list[int] = []
        for changes in ({}, {"teacher": {"model": "n"}}, {"rubrics": [str(rubric)]}, {}):
            run_stage(configured(server.url, **{"rubrics": ["helpful"], **changes}), files, tmp_path / str(len(asked)))
            for path in (tmp_path / str(len(asked)) / "answers").rglob("*.jsonl"):
                (tmp_path / str(len(asked) + 1) / "answers").mkdir(parents=True, exist_ok=True)
                path.rename(tmp_path / str(len(asked) + 1) / "answers" / path.name)
            asked.append(len(server.arrivals))
    assert asked == [REQUESTS, 2 * REQUESTS, 3 * REQUESTS, 3 * REQUESTS]  # a judge's verdicts are never another one's
    assert "Brevity. {{ 7 * 7 }} The shorter response is better." in seen


def test_a_verdict_has_both_answers_and_what_the_judge_said(files: Files, tmp_path: Path) -> None:
    with ScriptedTeacher(fair) as server:
        outputs = run_stage(configured(server.url, rubrics=["helpful"], controls=0), files, tmp_path)
    first, second, third, *_ = read_verdicts(outputs["verdicts"][0].path)
    assert (first.policy, first.outcome, first.readings) == ("ppo", "tie", ())
    assert (second.answers, second.readings) == (("no 0", "answer 0 good"), ("second", "first"))
    assert (third.outcome, third.scores) == ("win", (3.0, 2.0))
