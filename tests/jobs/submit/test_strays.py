"""What the queue holds beyond the plan: seen by the comment, told apart by why it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobs.submit.ledger import Submission
from jobs.submit.reconcile import Snapshot, States, in_flight, next_actions, unit_states
from jobs.submit.slurm import QueueRow, comment_of
from jobs.submit.strays import Strays, ending, strays, to_remove
from tests.jobs import made
from tests.jobs.made import row, submission, unit, units

GRAPH = made.graph(made.job("a.x", 3), made.job("b.x", 1, ["a.x"]))
MAKE = submission("a.x", [(0,), (1,), (2,)], 1, "40")
READ = submission("b.x", [(0,)], 2, "50")
BOTH = [MAKE, READ]
HELD = "launch failed requeued held"


def look(entries: Sequence[Submission], rows: Sequence[QueueRow], done: Sequence[int] = ()) -> tuple[Snapshot, States]:
    finished = {"a.x": units("a.x", done)}
    seen = Snapshot(done=finished, submissions=entries, attempts=[], queue=made.named(rows, entries))
    return seen, unit_states(GRAPH, seen)


def found(entries: Sequence[Submission], rows: Sequence[QueueRow], done: Sequence[int] = ()) -> list[Strays]:
    seen, states = look(entries, rows, done)
    return strays(GRAPH, states, seen)


def test_the_plans_own_elements_are_no_strays() -> None:
    rows = [row("40_0", "RUNNING"), row("40_1"), row("40_2", reason="JobHeldUser"), row("50_0", reason="Dependency")]
    assert found(BOTH, rows) == []


def test_elements_at_their_end_are_no_strays() -> None:
    rows = [row("40_0", "RUNNING"), row("40_1", "COMPLETING"), row("40_2", reason="BeginTime")]
    assert found(BOTH, rows, done=[0, 1, 2]) == []


def test_arrays_of_earlier_settings_are_seen_by_job() -> None:
    old = replace(submission("a.x", [(0,), (1,)], 3, "60"), fingerprint="as it was")
    gone = submission("z.x", [(0,)], 4, "70")
    other = replace(submission("a.x", [(7,)], 5, "80"))
    rows = [row("60_0", "RUNNING"), row("60_1"), row("70_0"), row("80_0")]
    why = "of earlier settings"
    assert found([*BOTH, old, gone, other], rows) == [
        Strays(job="a.x", why=why, slurm_ids=("60_0", "60_1", "80_0")),
        Strays(job="z.x", why=why, slurm_ids=("70_0",)),
    ]


def test_an_array_that_the_ledger_does_not_know_is_seen() -> None:
    late = row("90_0", comment=comment_of(made.RUN_ID, "0009-late"))
    assert found(BOTH, [late]) == [Strays(job="", why="in the queue, but not in the ledger", slurm_ids=("90_0",))]


def test_an_array_that_came_twice_is_seen_and_the_one_on_record_counts() -> None:
    twin = [row(f"41_{n}", "RUNNING", comment=comment_of(made.RUN_ID, MAKE.key)) for n in range(3)]
    for rows in ([*twin, row("40_0")], [row("40_0"), *twin]):
        seen, states = look(BOTH, rows)
        assert states["a.x"][unit("a.x", 0)].slurm_id == "40_0"
        assert strays(GRAPH, states, seen)[0].why == "submitted twice"


def test_a_unit_that_was_submitted_again_leaves_its_first_element_a_stray() -> None:
    again = submission("a.x", [(1,)], 3, "60")
    rows = [row("40_1", reason="Priority"), row("60_0")]
    assert found([*BOTH, again], rows) == [Strays(job="a.x", why="submitted again since", slurm_ids=("40_1",))]


def test_strays_end_without_the_plans_own_elements() -> None:
    old = replace(submission("a.x", [(0,), (1,)], 3, "60"), fingerprint="as it was")
    mixed = submission("a.x", [(0,), (7,)], 4, "70")
    late = row("90_0", comment=comment_of(made.RUN_ID, "0009-late"))
    twin = row("41_0", "RUNNING", comment=comment_of(made.RUN_ID, MAKE.key))
    rows = [row("60_0", "RUNNING"), row("60_1"), row("70_0"), row("70_1"), row("40_1"), late, twin]
    entries = [*BOTH, old, mixed]
    seen, states = look(entries, rows)
    ids, keys = ending(strays(GRAPH, states, seen), states, seen)
    assert sorted(ids) == ["41", "60", "70_1", "90"]
    assert keys == {old.key, "0009-late"}, "of the others, elements of the plan are left"


def test_ids_that_slurm_has_given_to_others_since_count_for_nothing() -> None:
    rows = [replace(row(f"40_{n}", "RUNNING"), comment=comment_of("another", "0001-k")) for n in range(3)]
    _seen, states = look(BOTH, [each for each in rows if each.run == made.RUN_ID])
    assert {state.state for state in states["a.x"].values()} == {"lost"}
    # Should such a row get as far as that, by its key it still is nobody's.
    assert {state.state for state in look(BOTH, rows)[1]["a.x"].values()} == {"lost"}


def test_after_an_outage_done_elements_are_held_and_what_waits_for_them_is_let_go() -> None:
    rows = [*(row(f"40_{n}", reason=HELD, restarts=1) for n in range(3)), row("50_0", reason="Dependency")]
    seen, states = look(BOTH, rows, done=[0, 1, 2])
    waiting = states["b.x"][unit("b.x", 0)]
    assert waiting.state == "blocked"
    assert waiting.reason.startswith(f"its inputs are complete, but it waits for 40_0, which is done and held ({HELD})")
    assert not in_flight(states)
    actions = next_actions(GRAPH, states, seen.done, heal=False)
    assert (actions.submit, actions.release) == ({}, {"b.x": ("50",)})
    assert to_remove(states, seen) == ["40_0", "40_1", "40_2"]
    assert [(each.why, each.arrays) for each in strays(GRAPH, states, seen)] == [("done, and held by Slurm", ("40",))]


def test_while_an_element_of_the_array_lives_its_done_ones_stay_for_the_sake_of_what_waits() -> None:
    rows = [row("40_0", reason=HELD), row("40_2", "RUNNING"), row("50_0", reason="Dependency")]
    seen, states = look(BOTH, rows, done=[0, 1])
    assert to_remove(states, seen) == []
    assert next_actions(GRAPH, states, seen.done, heal=True).release == {}


def test_what_is_not_done_and_held_since_an_outage_is_let_go_again() -> None:
    rows = [row("40_0", reason=HELD), row("40_1", reason="JobHeldUser"), row("50_0", reason="Dependency")]
    seen, states = look(BOTH, rows, done=[2])
    assert states["b.x"][unit("b.x", 0)].state == "blocked"
    assert next_actions(GRAPH, states, seen.done, heal=False).unhold == ("40_0",), "what people hold stays held"
    assert to_remove(states, seen) == []


def test_a_dependency_that_slurm_has_not_looked_at_yet_is_no_trouble_and_lifted() -> None:
    seen, states = look(BOTH, [row("50_0", reason="Dependency")], done=[0, 1, 2])
    assert states["b.x"][unit("b.x", 0)].state == "queued"
    assert next_actions(GRAPH, states, seen.done, heal=False).release == {"b.x": ("50",)}


def test_what_can_never_start_is_submitted_anew_when_its_resources_have_changed() -> None:
    asked = GRAPH.jobs["a.x"].resources.model_dump(mode="json")
    rows = [*(row(f"40_{n}", reason="PartitionTimeLimit") for n in range(3)), row("50_0", reason="Dependency")]
    for resources, submitted in ((asked, ()), ({**asked, "time_min": 99999}, ("40_0", "40_1", "40_2"))):
        seen, states = look([replace(MAKE, resources=resources), READ], rows)
        assert {state.state for state in states["a.x"].values()} == {"blocked"}
        assert states["b.x"][unit("b.x", 0)].reason == "waits for a.x"
        actions = next_actions(GRAPH, states, seen.done, heal=False)
        assert actions.replace == submitted
        assert bool(actions.submit) == bool(submitted)
        assert "b.x" in actions.rewire
