from __future__ import annotations

from stages.conductor.plans import Plan, parse_plan
from stages.conductor.scoring import items_of, overlaps, random_plans
from stages.formats.conducted.scores import Overlap
from tests.stages.conductor.made import plan

WANTED = parse_plan(
    plan(
        {"task": "image-to-text", "args": {"image": "a.png"}},
        {"task": "translation", "args": {"text": "<GENERATED>-0", "language": "Chinese"}},
        {"task": "calculator", "args": {"text": "3 * 4"}},
    )
)


def test_a_plan_is_compared_by_names_links_and_arguments() -> None:
    ours = parse_plan(
        plan(
            {"task": "calculator", "args": {"text": " 3 *  4 "}},
            {"task": "object-detection", "args": {"image": "a.png"}},
            {"task": "image-to-text", "args": {"image": "a.png"}},
            {"task": "translation", "args": {"text": "<GENERATED-2>", "language": "chinese"}},
        )
    )
    found = overlaps([(ours, WANTED)])
    assert found == {
        "nodes": Overlap(right=3, planned=4, wanted=3),
        "edges": Overlap(right=1, planned=1, wanted=1),
        "arguments": Overlap(right=4, planned=5, wanted=4),
        "values": Overlap(right=4, planned=5, wanted=4),
    }
    assert round(found["nodes"].f1, 6) == round(2 * 0.75 * 1 / 1.75, 6)


def test_a_name_that_stands_twice_counts_once_and_numbers_of_tasks_do_not_matter() -> None:
    twice = parse_plan(plan(*[{"task": "translation", "args": {"text": "a"}}] * 2))
    assert items_of(twice)["nodes"] == {("translation",)}
    shifted = parse_plan(
        plan(
            {"task": "search", "id": 3, "args": {"text": "q"}},
            {"task": "summarization", "id": 9, "args": {"text": "<GENERATED>-3"}},
        )
    )
    plain = parse_plan(
        plan({"task": "search", "args": {"text": "q"}}, {"task": "summarization", "args": {"text": "<GENERATED>-0"}})
    )
    assert items_of(shifted) == items_of(plain)


def test_an_empty_plan_scores_nothing() -> None:
    assert overlaps([(Plan(()), WANTED)])["nodes"] == Overlap(right=0, planned=0, wanted=3)
    assert overlaps([(Plan(()), Plan(()))])["nodes"].f1 == 0.0


def test_random_plans_have_as_many_tasks_and_are_drawn_by_their_seed() -> None:
    wanted = [WANTED, Plan(()), parse_plan(plan({"task": "search"}))]
    found = random_plans(wanted, 1)
    assert [len(each.tasks) for each in found] == [3, 0, 1]
    assert {task.task for each in found for task in each.tasks} <= {task.task for each in wanted for task in each.tasks}
    assert [task.dep for task in found[0].tasks] == [(), (0,), (1,)]
    assert random_plans(wanted, 1) == found
    assert random_plans([WANTED] * 9, 1) != random_plans([WANTED] * 9, 2)
