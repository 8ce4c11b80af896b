from __future__ import annotations

import datetime
import json

import pytest

from stages.conductor.plans import parse_plan
from stages.sample.pictures.scenes import Animals, Stall
from stages.sample.requests.config import TODAY
from stages.sample.requests.wordings import KINDS_OF_REQUESTS, Wanted, request
from stages.sample.world import make_world
from stages.toolbox.dates import today_is

WORLD = make_world(1)
REQUESTS = [request(WORLD, number) for number in range(140)]


def of(kind: str) -> list[Wanted]:
    return [each for each in REQUESTS if each.kind == kind]


def test_kinds_and_languages_take_turns_and_hardly_a_request_stands_twice() -> None:
    assert [each.kind for each in REQUESTS[:7]] == list(KINDS_OF_REQUESTS)
    assert all(len({each.language for each in of(kind)}) == 2 for kind in KINDS_OF_REQUESTS)
    asked = [(each.text, str(each.scenes)) for each in REQUESTS if each.kind not in ("today", "chat")]
    assert len(set(asked)) == len(asked)


def test_right_plans_can_run_as_they_are() -> None:
    for each in REQUESTS:
        plan = parse_plan(json.dumps(each.plan))
        assert not plan.repairs
        assert len(plan.tasks) == len(each.plan)
    assert [len(level) for level in parse_plan(json.dumps(of("stall")[0].plan)).levels()] == [1, 2]
    assert [len(level) for level in parse_plan(json.dumps(of("both")[0].plan)).levels()] == [2, 1]
    assert [len(level) for level in parse_plan(json.dumps(of("lookup")[0].plan)).levels()] == [1, 1, 1]


def test_right_answers_follow_from_the_scenes() -> None:
    for each in of("stall"):
        (stall,) = each.scenes.values()
        factor = int(each.plan[2]["args"]["text"].rpartition(" ")[2])
        assert isinstance(stall, Stall)
        assert each.answer[1] == (str(factor * int(stall.price)),)
        assert each.answer[0] == (("面包",) if each.language == "en" else ("bread",))
    for each in of("both"):
        prices = [int(stall.price) for stall in each.scenes.values() if isinstance(stall, Stall)]
        assert each.answer == ((str(sum(prices)),),)
    for each in of("count"):
        (animals,) = each.scenes.values()
        assert isinstance(animals, Animals)
        assert int(each.answer[0][0]) % animals.count == 0


def test_today_is_a_friday() -> None:
    assert today_is(TODAY) == "Today is Friday, March 14, 2031."
    assert datetime.date.weekday(TODAY) == 4
    assert all(each.answer == (("星期五", "周五", "礼拜五"),) for each in of("today"))


@pytest.mark.parametrize("kind", KINDS_OF_REQUESTS)
def test_a_request_names_what_its_plan_needs(kind: str) -> None:
    for each in of(kind):
        for name in each.scenes:
            assert name in each.text
