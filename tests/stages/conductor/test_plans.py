from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.conductor.plans import MAX_ARGUMENT, MAX_TASKS, Plan, objects_in, parse_plan, references

DEMOS = Path(__file__).parents[4] / "shared" / "data" / "hugginggpt" / "demo_parse_task.json"


def plan(*tasks: dict[str, Any]) -> Plan:
    """Return the plan of tasks, with ids from 0 and a task name where they have none."""
    records = [{"task": "image-to-text", "id": place, "dep": [-1], **task} for place, task in enumerate(tasks)]
    return parse_plan(json.dumps(records))


def deps(found: Plan) -> list[list[int]]:
    return [list(task.dep) for task in found.tasks]


def test_dependencies_are_those_of_the_arguments() -> None:
    found = plan(
        {"args": {"text": "a"}},
        {"args": {"text": "<GENERATED>-0"}},
        {"args": {"x": "<GENERATED>-0", "y": "<GENERATED>-1"}},
    )
    assert deps(found) == [[], [0], [0, 1]]
    assert [[task.id for task in level] for level in found.levels()] == [[0], [1], [2]]
    assert not found.repairs


def test_lists_of_results_unfold_to_tasks_with_ids_of_their_own() -> None:
    two = {"args": {"image": "<GENERATED>-0,<GENERATED>-1", "text": "t"}}
    found = plan({"args": {}}, {"args": {}}, two, two)
    assert [(task.id, list(task.dep)) for task in found.tasks] == [
        (0, []),
        (1, []),
        (2, [0]),
        (3, [0]),
        (4, [1]),
        (5, [1]),
    ]
    assert found.repairs == ("task 2 unfolded to 2, 4", "task 3 unfolded to 3, 5")
    assert len(found.levels()) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("well-known <GENERATED>-0", [0]),
        ("<GENERATED>-0 and <GENERATED>-1", [0, 1]),
        ("<GENERATED-1>", [1]),
        ("GENERATED 0, generated-1", []),
    ],
)
def test_references_are_found_within_texts(text: str, found: list[int]) -> None:
    assert references(text) == found
    assert deps(plan({"args": {}}, {"args": {}}, {"args": {"text": text}}))[2] == found


def test_values_that_are_no_text_become_one_and_texts_stay_as_they_are() -> None:
    found = plan({"args": {"n": 3, "path": "C:\\new", "slot": "{{context}}"}})
    assert found.tasks[0].args == {"n": "3", "path": "C:\\new", "slot": "{{context}}"}


@pytest.mark.parametrize(("dep", "wanted"), [([0, -1], [0]), ([0, 0], [0]), ([-1], []), ("0", []), ([True], [])])
def test_stated_dependencies_are_cleaned(dep: Any, wanted: list[int]) -> None:
    assert deps(plan({"args": {}}, {"args": {}, "dep": dep}))[1] == wanted


def test_a_missing_task_leaves_its_dependents_out_with_the_reason() -> None:
    found = plan({"args": {}}, {"args": {"text": "<GENERATED>-3"}}, {"args": {"text": "<GENERATED>-1"}})
    assert [task.id for task in found.tasks] == [0]
    assert found.repairs == ("task 1: no such task 3", "task 2: no such task 1")


def test_a_dependency_on_a_later_task_or_itself_is_dropped_and_reported() -> None:
    found = plan({"args": {"text": "<GENERATED>-1"}}, {"args": {"text": "<GENERATED>-1"}})
    assert deps(found) == [[], []]
    assert found.repairs == ("task 0: task 1 does not come before it", "task 1: task 1 does not come before it")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"task": "fly", "id": 0, "args": {}}, "unknown task: 'fly'"),
        ({"task": "translation", "id": "0", "args": {}}, "bad id: '0' of translation"),
        ({"task": "translation", "id": 0, "args": []}, "bad args: [] of task 0"),
    ],
)
def test_a_task_that_is_none_is_left_out_with_the_reason(record: dict[str, Any], reason: str) -> None:
    assert parse_plan(json.dumps([record])) == Plan((), (reason,))


@pytest.mark.parametrize(
    "reply", ["", "[]", "I cannot.", "[1]", "3", "[" * 5000, "{" * 5000, '{"a":' * 3000, "{}", "null"]
)
def test_no_reply_raises(reply: str) -> None:
    assert parse_plan(reply).tasks == ()


def test_the_published_demonstrations_are_read_malformed_ones_too() -> None:
    if not DEMOS.exists():
        pytest.skip("the published demonstrations are not here")
    replies = [each["content"] for each in json.loads(DEMOS.read_text()) if each["role"] == "assistant"]
    assert [len(parse_plan(reply).tasks) for reply in replies] == [9, 6, 4, 2, 3, 2]
    assert [each.startswith("not JSON") for reply in replies for each in parse_plan(reply).repairs] == [True, True]
    assert [list(task.dep) for task in parse_plan(replies[1]).tasks] == [[], [], [1], [0], [], [0]]


def test_objects_are_cut_out_of_prose() -> None:
    assert list(objects_in("""Sure: {"id": "a/b", "reason": "it's } best"} or {"id": "c"}}""")) == [
        {"id": "a/b", "reason": "it's } best"},
        {"id": "c"},
    ]


def test_plans_are_bounded_in_tasks_arguments_and_results() -> None:
    many = plan(*({"args": {"text": "a"}} for _ in range(10_000)))
    assert (len(many.tasks), many.repairs) == (MAX_TASKS, ("9900 tasks beyond 100 left out",))
    giant = plan({"args": {"text": "a" * (MAX_ARGUMENT + 1)}}, {"args": {str(n): "" for n in range(21)}})
    assert giant.repairs == (
        "bad args: 1 of up to 20001 characters, of task 0",
        "bad args: 21 of up to 2 characters, of task 1",
    )
    listed = ",".join(["<GENERATED>-0"] * 1000)
    assert plan({"args": {}}, {"args": {"text": listed}}).repairs == (
        "task 1: 1000 results would make more than 100 tasks",
    )
    assert len(parse_plan('{"task": "translation", "id": 0, "args": {}} ' * 3000 + "{").tasks) == 1


def test_a_ring_of_tasks_is_cut_open() -> None:
    ring = plan(*({"args": {"text": f"<GENERATED>-{(place + 1) % 3}"}} for place in range(3)))
    assert deps(ring) == [[], [], [0]]
    assert [len(level) for level in ring.levels()] == [2, 1]
    assert ring.repairs == ("task 0: task 1 does not come before it", "task 1: task 2 does not come before it")
