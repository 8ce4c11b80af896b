from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from stages.conductor.execute import execute
from stages.conductor.plans import PlannedTask
from stages.formats.conducted.records import Delegated, Performed


def task(number: int, *dep: int) -> PlannedTask:
    return PlannedTask(id=number, task="t", dep=dep, args={})


def done(each: PlannedTask, text: str = "", reason: str = "") -> Delegated:
    result = Performed(text=text, reason=reason)
    state = "failed" if reason else "done"
    return Delegated(id=each.id, task=each.task, dep=each.dep, args=each.args, state=state, result=result)


def test_tasks_that_need_nothing_of_each_other_run_at_the_same_time() -> None:
    both = threading.Barrier(2)  # fails unless two tasks wait at it together

    def work(each: PlannedTask, needs: Mapping[int, Delegated]) -> Delegated:
        if each.id in (0, 1):
            both.wait(20)
        return done(each, "+".join(need.result.text for need in needs.values()) or f"{each.id}")

    found = execute([task(0), task(1), task(2, 0, 1)], work, workers=2)
    assert [each.result.text for each in found] == ["0", "1", "0+1"]


def test_no_more_tasks_run_at_once_than_there_are_workers() -> None:
    lock, under_way, most = threading.Lock(), [0], [0]

    def work(each: PlannedTask, _: Mapping[int, Delegated]) -> Delegated:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        threading.Event().wait(0.01)
        with lock:
            under_way[0] -= 1
        return done(each)

    execute([task(number) for number in range(12)], work, workers=3)
    assert 1 < most[0] <= 3


def test_what_needs_a_failed_task_is_skipped_and_names_it() -> None:
    def work(each: PlannedTask, _: Mapping[int, Delegated]) -> Delegated:
        return done(each, reason="killed" if each.id == 1 else "")

    found = execute([task(0), task(1), task(2, 1), task(3, 2), task(4, 0)], work, workers=2)
    assert [each.state for each in found] == ["done", "failed", "skipped", "skipped", "done"]
    assert [each.result.detail for each in found[2:4]] == [f"needs task {need}, which was not done" for need in (1, 2)]


def test_an_error_of_the_work_ends_the_execution() -> None:
    def work(each: PlannedTask, _: Mapping[int, Delegated]) -> Delegated:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        execute([task(0), task(1)], work, workers=1)


def test_an_empty_plan_does_nothing() -> None:
    assert execute([], lambda each, needs: done(each), workers=1) == []
