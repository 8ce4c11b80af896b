import pytest

from stages.formats.results import Outcomes, Results
from stages.report.parts.evaluation.comparison import Comparison, compare
from stages.report.parts.evaluation.verdicts import MAX_PAIRS, duel, pairs
from tests.stages.report.journey import evaluation_key, score


def columns(**values: dict[str, list[float]]) -> list[Comparison]:
    """Return a column for each task, from the values of its questions by checkpoint."""
    return compare(
        [
            Results(
                key=evaluation_key(source, task),
                scores=(score(task, "acc", sum(each) / len(each), 0.1),),
                outcomes={task: Outcomes(items=tuple(map(str, range(len(each)))), values={"acc": tuple(each)})},
            )
            for task, by_source in values.items()
            for source, each in by_source.items()
        ]
    )


def test_the_first_pairs_are_the_newest_with_the_one_before_and_with_the_control() -> None:
    found = pairs(["final", "untrained", "step-2", "step-10", "best"])
    assert found[:2] == [("final", "step-10"), ("final", "untrained")]
    assert set(found) >= {("step-10", "step-2"), ("step-2", "untrained"), ("final", "best")}
    assert len(found) == len({frozenset(pair) for pair in found}) == 10
    assert pairs(["final", "untrained"]) == [("final", "untrained")]
    assert pairs(["final"]) == pairs([]) == []


def test_of_many_checkpoints_the_neighbours_and_the_control_are_kept() -> None:
    found = pairs(["untrained", *(f"step-{n}" for n in range(1, 26))])
    assert len(found) == MAX_PAIRS
    assert {("step-9", "step-8"), ("step-9", "untrained")} <= set(found)


def test_questions_won_and_lost_are_counted_and_the_tasks_are_corrected_for() -> None:
    one, other = [1.0] * 12 + [0.0] * 3, [0.0] * 9 + [1.0] * 5 + [0.0]
    alone = duel("b", "a", columns(t={"b": one, "a": other}))
    (judged,) = alone.tasks
    assert (judged.task.won, judged.task.lost) == (9, 2)
    assert judged.p == judged.task.p == pytest.approx(0.0386, abs=1e-4)
    assert (judged.verdict, alone.number("better")) == ("better", 1)
    same = {"b": one, "a": one}
    among = duel("b", "a", columns(t={"b": one, "a": other}, u=same))
    assert [each.verdict for each in among.tasks] == ["unclear", "unclear"]
    assert among.tasks[0].p == pytest.approx(2 * 0.0386, abs=1e-4)


def test_a_lower_perplexity_is_better_and_is_compared_as_independent() -> None:
    results = [
        Results(key=evaluation_key(source, "p"), scores=(score("p", "ppl", value, 0.1, higher_is_better=False),))
        for source, value in (("b", 3.0), ("a", 9.0))
    ]
    (judged,) = duel("b", "a", compare(results)).tasks
    assert (judged.verdict, judged.task.won) == ("better", None)
    unknown = [Results(key=each.key, scores=(score("p", "ppl", 3.0, None),)) for each in results]
    (judged,) = duel("b", "a", compare(unknown)).tasks
    assert (judged.verdict, judged.p) == ("unclear", None)


def test_a_task_in_another_chat_form_is_compared_and_the_same_form_comes_first() -> None:
    def asked(source: str, chat: str, values: list[float], shots: int = 0) -> Results:
        return Results(
            key=evaluation_key(source, chat=chat, num_fewshot=shots),
            scores=(score("t", "acc", sum(values) / 4, 0.1),),
            outcomes={"t": Outcomes(items=tuple("wxyz"), values={"acc": tuple(values)})},
        )

    base, tuned = asked("base", "", [1.0, 1.0, 1.0, 0.0]), asked("tuned", "chat", [1.0, 1.0, 0.0, 0.0])
    (judged,) = duel("tuned", "base", compare([base, tuned])).tasks
    assert (judged.task.column.protocol, judged.task.against.protocol) == ("0-shot, chat", "0-shot")
    assert (judged.task.won, judged.task.lost, judged.task.value) == (0, 1, -0.25)
    both = duel("tuned", "base", compare([base, asked("base", "chat", [0.0] * 4), tuned]))
    assert [each.task.against.protocol for each in both.tasks] == ["0-shot, chat"]
    assert [each.protocol for each in both.alone] == ["0-shot"]
    other = duel("tuned", "base", compare([asked("base", "", [1.0] * 4, shots=5), tuned]))
    assert (other.tasks, len(other.alone)) == ((), 2)


def test_a_task_that_one_checkpoint_lacks_is_left_out() -> None:
    assert duel("b", "a", columns(t={"b": [1.0, 0.0]})).tasks == ()
