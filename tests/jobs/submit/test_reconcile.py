"""Every state a unit can be in, what is done about it, and that doing so again and again always ends well."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jobs.plan.graph import Graph, Job, Need
from jobs.submit.dispatch import by_readiness, chunks
from jobs.submit.ledger import Submission
from jobs.submit.reconcile import (
    LIVE,
    Actions,
    Snapshot,
    States,
    UnitState,
    finished,
    idle_services,
    in_flight,
    live_arrays,
    next_actions,
    unit_states,
    waits_for,
)
from jobs.submit.slurm import QueueRow
from stages.formats.attempts import Attempt, TroubleRecord
from tests.jobs import made
from tests.jobs.made import attempt, row, submission, unit, units

GRAPH = made.graph(
    made.job("a.x", 3), made.job("b.x", 2, ["a.x"]), made.job("c.x", 1, ["b.x"]), made.job("d.x", 1, ["a.x", "c.x"])
)
WHOLE = submission("a.x", [(0,), (1,), (2,)], 1, "40")


def look(graph: Graph = GRAPH, **seen: Any) -> dict[str, dict[str, UnitState]]:
    given = {"done": {}, "submissions": [], "attempts": [], "queue": [], **seen}
    return unit_states(graph, Snapshot(**{**given, "queue": made.named(given["queue"], given["submissions"])}))


def one(**seen: Any) -> UnitState:
    """Return the state of unit 1 of a.x, submitted as element 1 of array 40."""
    return look(submissions=[WHOLE], **seen)["a.x"][unit("a.x", 1)]


def verdict(word: str, reason: str = "", **more: Any) -> dict[str, Any]:
    return {"attempts": [attempt(WHOLE, 1, verdict=word, reason=reason, **more)]}


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        ({"done": {"a.x": units("a.x", [1])}}, "done", ""),
        ({"done": {"a.x": units("a.x", [1])}, "queue": [row("40_1", "COMPLETING")]}, "done", ""),
        ({"queue": [row("40_1", "RUNNING")]}, "running", "on n1"),
        ({"queue": [row("40_1", "COMPLETING")]}, "running", "on "),
        ({"queue": [row("40_1", reason="Resources")]}, "queued", "Resources"),
        ({"queue": [row("40_1", reason="None")]}, "queued", "Slurm has not looked at it yet"),
        (
            {"queue": [row("40_1", reason="BeginTime", restarts=1)], "attempts": [attempt(WHOLE, 1)]},
            "queued",
            "BeginTime; its last attempt: ended without a word on n1",
        ),
        ({"queue": [row("40_1", reason="BeginTime")], **verdict("requeue")}, "queued", "BeginTime"),
        ({"queue": [row("40_1", "RUNNING")], **verdict("failed", "why")}, "failed", "why"),
        ({"queue": [row("40_1", "COMPLETING")], **verdict("failed", "x", failed={"1": "why"})}, "failed", "why"),
        ({"queue": [row("40_1", "COMPLETING")], **verdict("never", "why")}, "failed", "why"),
        (
            {"queue": [row("40_1", "RUNNING")], "cancelled": frozenset({WHOLE.key}), **verdict("cancelled")},
            "cancelled",
            "cancelled by the user",
        ),
        ({"queue": [row("40_1", "COMPLETING", restarts=1)], **verdict("failed", "why", restart=2)}, "failed", "why"),
        ({"queue": [row("40_1", "RUNNING", restarts=1)], **verdict("failed", "why")}, "running", "on n1"),
        ({"queue": [row("40_1", reason="BeginTime", restarts=1)], **verdict("failed")}, "queued", "BeginTime"),
        ({"queue": [row("40_1", "RUNNING")], **verdict("requeue")}, "running", "on n1"),
        ({"queue": [row("40_1", "COMPLETING")], **verdict("bad-node")}, "running", "on "),
        ({"queue": [row("40_1", "COMPLETING")], **verdict("done")}, "running", "on "),
        ({"queue": [row("40_1", reason="DependencyNeverSatisfied")]}, "blocked", "what it waits for has failed"),
        (
            {"queue": [row("40_1", "SPECIAL_EXIT", "job requeued in held state")]},
            "blocked",
            "held (job requeued in held state): scontrol release 40_1",
        ),
        ({"queue": [row("40_1", reason="JobHeldUser")]}, "blocked", "held (JobHeldUser): scontrol release 40_1"),
        (verdict("failed", "failed (exit 1)"), "failed", "failed (exit 1)"),
        (verdict("failed", "x", failed={"1": "RuntimeError: why"}), "failed", "RuntimeError: why"),
        (verdict("never", "the input or the recipe is wrong"), "failed", "the input or the recipe is wrong"),
        (verdict("failed", "crash loop: 3 attempts"), "failed", "crash loop: 3 attempts"),
        (verdict("requeue", "state saved (exit 85)"), "lost", "state saved (exit 85); it was not started again"),
        (verdict("bad-node", "the node is bad"), "lost", "the node is bad; it was not started again"),
        (verdict("done"), "lost", "was done, but its completion mark is gone"),
        ({"attempts": [attempt(WHOLE, 1)]}, "lost", "ended without a word on n1"),
        ({"attempts": [attempt(WHOLE, 1, failed={"1": "why"})]}, "failed", "why"),
        ({}, "lost", "left the queue before it began"),
        ({"cancelled": frozenset({WHOLE.key})}, "cancelled", "cancelled by the user"),
        ({"cancelled": frozenset({WHOLE.key}), **verdict("cancelled")}, "cancelled", "cancelled by the user"),
        ({"cancelled": frozenset({WHOLE.key}), "queue": [row("40_1", "RUNNING")]}, "running", "on n1"),
        ({"attempts": [attempt(WHOLE, 1)], "alive": lambda attempt: True}, "running", "process 1"),
        ({"launcher_elsewhere": True}, "queued", "waits for a free core"),
        ({"launcher_elsewhere": True, **verdict("requeue")}, "queued", "waits for a free core"),
        ({"launcher_elsewhere": True, **verdict("failed", "why")}, "failed", "why"),
    ],
)
def test_what_is_seen_of_a_unit_is_its_state(seen: dict[str, Any], state: str, reason: str) -> None:
    found = one(**seen)
    assert found.state == state
    assert found.reason.startswith(reason)


def test_of_several_ranks_the_first_that_failed_has_the_reason() -> None:
    trouble = TroubleRecord(exit_code=137, reason="rank 1 was killed", node="n2")
    for verdict_of, state in ((None, "lost"), ("failed", "failed"), ("never", "failed")):
        last = replace(attempt(WHOLE, 1, verdict=verdict_of), trouble=trouble)
        found = one(attempts=[last])
        assert found.state == state
        assert ("rank 1 was killed" in found.reason) == (state == "failed")
    lost_it = attempt(WHOLE, 1, verdict="failed", failed={"1": "Connection closed by peer"})
    assert one(attempts=[replace(lost_it, trouble=trouble)]).reason == "rank 1 was killed"


def test_an_intent_is_being_submitted_while_its_launcher_is_at_work() -> None:
    intent = replace(WHOLE, slurm_id="", launcher="boot")
    for at_work, expected in (
        (True, ("queued", "being submitted")),
        (False, ("lost", "its submission was interrupted")),
    ):
        found = look(submissions=[intent], is_submitting=at_work)["a.x"][unit("a.x", 1)]
        assert (found.state, found.reason) == expected


def test_a_refusal_keeps_slurms_words() -> None:
    refused = replace(WHOLE, slurm_id="", refusal="Invalid feature specification")
    found = look(submissions=[refused])["a.x"][unit("a.x", 1)]
    assert (found.state, found.reason) == ("lost", "refused by Slurm: Invalid feature specification")


def test_damaged_output_is_lost_and_what_reads_it_waits_for_it_to_be_made_again() -> None:
    tried = [attempt(submission("b.x", [(0,), (1,)], 2, "50"), n, verdict="failed", reason="no file") for n in (0, 1)]
    entries = [WHOLE, submission("b.x", [(0,), (1,)], 2, "50")]
    damaged = {"a.x": {unit("a.x", 1): "text is gone"}}
    states = look(submissions=entries, attempts=tried, done={"a.x": units("a.x", [0, 2])}, damaged=damaged)
    assert states["a.x"][unit("a.x", 1)].reason == "its output is damaged: text is gone"
    healed = act(states, heal=True)
    assert by_key(healed)["a.x"] == "1"
    assert (by_key(healed)["b.x"], healed.ready["b.x"]) == ("01", set()), "it does not run before its input is there"


def test_a_unit_that_was_never_submitted_is_missing() -> None:
    assert {state.state for state in look()["a.x"].values()} == {"missing"}


def test_the_last_attempt_counts_and_the_best_progress_of_all() -> None:
    tries = [attempt(WHOLE, 1, 1, 3, verdict="failed", reason="last"), attempt(WHOLE, 1, 0, 9, verdict="requeue")]
    found = one(attempts=tries)
    assert (found.state, found.reason, found.attempts, found.progress) == ("failed", "last", 2, 9)


def test_of_two_submissions_for_a_unit_the_latest_counts() -> None:
    again = submission("a.x", [(1,)], 2, "50")
    seen: dict[str, Any] = {"submissions": [WHOLE, again], "attempts": [attempt(WHOLE, 1, verdict="failed")]}
    states = look(**seen, queue=[row("50_0", "RUNNING"), row("40_2")])["a.x"]
    assert [(state.state, state.slurm_id) for state in states.values()] == [
        ("lost", "40_0"),
        ("running", "50_0"),
        ("queued", "40_2"),
    ]


def test_a_submission_at_another_fingerprint_is_none() -> None:
    old = replace(WHOLE, fingerprint=made.fingerprint("as it was"))
    assert {state.state for state in look(submissions=[old], queue=[row("40_1")])["a.x"].values()} == {"missing"}


def test_a_job_that_the_recipe_no_longer_has_is_passed_over() -> None:
    assert "z.x" not in look(submissions=[submission("z.x", [(0,)])])


def test_packed_elements_share_their_fate_except_finished_units() -> None:
    packed = submission("a.x", [(0, 1, 2)], 1, "40")
    tried = [attempt(packed, 0, verdict="failed", reason="exit 1", failed={"1": "why"})]
    states = look(submissions=[packed], attempts=tried, done={"a.x": units("a.x", [0])})["a.x"]
    assert [(state.state, state.reason) for state in states.values()] == [
        ("done", ""),
        ("failed", "why"),
        ("failed", "exit 1"),
    ]


def queued(*names: str) -> dict[str, Any]:
    """Return submissions and queue rows of whole jobs that wait for others."""
    sizes = {name: len(GRAPH.jobs[name].units) for name in names}
    entries = [submission(name, [(n,) for n in range(sizes[name])], 2 + i, str(60 + i)) for i, name in enumerate(names)]
    rows = [row(f"{each.slurm_id}_{n}", reason="Dependency") for each in entries for n in range(len(each.elements))]
    return {"submissions": entries, "queue": rows}


def test_a_job_behind_a_blocked_one_is_blocked_though_slurm_says_nothing() -> None:
    waiting = queued("b.x", "c.x", "d.x")
    waiting["submissions"].insert(0, WHOLE)
    states = look(**waiting, **verdict("failed", "why"))
    assert {states[name][unit(name, 0)].state for name in ("b.x", "c.x", "d.x")} == {"blocked"}
    assert states["d.x"][unit("d.x", 0)].reason == "waits for a.x"
    assert not in_flight(states)


@pytest.mark.parametrize("state", ["lost", "cancelled"])
def test_what_was_lost_or_cancelled_blocks_too_until_it_is_submitted_again(state: str) -> None:
    waiting = queued("b.x")
    waiting["submissions"].insert(0, WHOLE)
    seen: dict[str, Any] = {"cancelled": frozenset({WHOLE.key})} if state == "cancelled" else {}
    states = look(**waiting, **seen)
    assert (states["a.x"][unit("a.x", 1)].state, states["b.x"][unit("b.x", 0)].state) == (state, "blocked")
    assert act(states).rewire == ("b.x",)


def act(states: States, heal: bool = False, graph: Graph = GRAPH) -> Actions:
    """Return what comes next, where what is done is what the states say."""
    done = {
        name: frozenset(each for each, state in found.items() if state.state == "done")
        for name, found in states.items()
    }
    return next_actions(graph, states, done, heal)


def by_key(actions: Actions, graph: Graph = GRAPH) -> dict[str, str]:
    """Return the keys of the units to submit, by job."""
    return {name: "".join(graph.jobs[name].units[each].key for each in found) for name, found in actions.submit.items()}


def test_run_submits_what_is_missing_lost_or_cancelled_and_heal_also_what_failed() -> None:
    entries = [submission("a.x", [(0,), (1,)], 1, "40")]
    states = look(submissions=entries, attempts=[attempt(entries[0], 0, verdict="failed", reason="why")])
    run, heal = act(states), act(states, heal=True)
    assert by_key(run) == {"a.x": "12"}
    assert by_key(heal) == {"a.x": "012", "b.x": "01", "c.x": "0", "d.x": "0"}


def test_what_depends_on_a_failure_that_is_not_healed_is_held_back_to_the_end_of_the_chain() -> None:
    states = look(submissions=[WHOLE], queue=[row("40_0"), row("40_2")], **verdict("failed", "why"))
    actions = act(states)
    assert actions.submit == {}
    assert actions.held_back == {"b.x": "waits for a.x", "c.x": "waits for b.x", "d.x": "waits for a.x"}
    assert act(states, heal=True).held_back == {}


@pytest.mark.parametrize("lingering", [[], [row("40_1", "RUNNING")], [row("40_1", "COMPLETING")]])
def test_heal_submits_the_failed_unit_alone_and_rewires_what_waits(lingering: list[QueueRow]) -> None:
    waiting = queued("b.x", "c.x", "d.x")
    waiting["submissions"].insert(0, WHOLE)
    waiting["queue"] += lingering
    states = look(**waiting, **verdict("failed", "why"), done={"a.x": units("a.x", [0, 2])})
    actions = act(states, heal=True)
    assert by_key(actions) == {"a.x": "1"}
    assert set(actions.rewire) == {"b.x", "c.x", "d.x"}


def test_a_rewiring_that_a_killed_launcher_left_undone_is_made_up_for() -> None:
    waiting = queued("b.x")
    stuck = [replace(each, reason="DependencyNeverSatisfied") for each in waiting["queue"]]
    entries = [WHOLE, *waiting["submissions"], submission("a.x", [(1,)], 9, "90")]
    states = look(submissions=entries, queue=[*stuck, row("90_0")], done={"a.x": units("a.x", [0, 2])})
    actions = act(states)
    assert "a.x" not in actions.submit
    assert actions.rewire == ("b.x",)


def test_nothing_is_done_about_a_run_that_gets_on_by_itself() -> None:
    waiting = queued("a.x", "b.x", "c.x", "d.x")
    states = look(**waiting)
    actions = act(states, heal=True)
    assert (actions.submit, actions.rewire, actions.held_back) == ({}, (), {})
    assert in_flight(states)


def test_a_finished_run_is_finished() -> None:
    done = {name: frozenset(job.units) for name, job in GRAPH.jobs.items()}
    states = look(done=done)
    assert finished(states)
    assert not in_flight(states)
    assert act(states, heal=True).submit == {}


def wait_ids(rows: Sequence[QueueRow], attempts: Sequence[Attempt], done: Iterable[int] = ()) -> tuple[str, ...]:
    states = look(submissions=[WHOLE], queue=rows, attempts=attempts, done={"a.x": units("a.x", done)})["a.x"]
    return waits_for("a.x", states, [WHOLE], attempts)


def test_a_dependent_waits_for_a_healthy_array_as_a_whole() -> None:
    assert wait_ids([row("40_0"), row("40_1"), row("40_2")], []) == ("40",)
    assert wait_ids([row("40_2")], [attempt(WHOLE, n, verdict="done") for n in (0, 1)], (0, 1)) == ("40",)


@pytest.mark.parametrize("how", ["failed", "never", "requeue", None])
def test_of_an_array_with_a_failed_element_a_dependent_waits_for_the_living_ones(how: str | None) -> None:
    tried = [attempt(WHOLE, 1, verdict=how)] if how else []
    assert wait_ids([row("40_0"), row("40_2", "RUNNING")], tried) == ("40_0", "40_2")


def test_nobody_waits_for_an_element_that_has_failed_though_it_still_lingers() -> None:
    rows = [row("40_0"), row("40_1", "COMPLETING"), row("40_2", "RUNNING")]
    assert wait_ids(rows, [attempt(WHOLE, 1, verdict="failed")]) == ("40_0", "40_2")


def test_an_element_that_failed_still_counts_when_its_unit_was_done_elsewhere() -> None:
    assert wait_ids([row("40_2")], [attempt(WHOLE, 1, verdict="failed")], (0, 1)) == ("40_2",)


def test_nobody_waits_for_what_is_done() -> None:
    assert wait_ids([], [], (0, 1, 2)) == ()


def test_live_arrays_are_those_with_something_in_the_queue() -> None:
    entries = [WHOLE, submission("a.x", [(1,)], 2, "50"), submission("b.x", [(0,)], 3, "60")]
    states = look(submissions=entries, queue=[row("40_0"), row("50_0"), row("60_0")])
    assert [entry.slurm_id for entry in live_arrays("a.x", states["a.x"], entries)] == ["40", "50"]


CHAIN = made.graph(
    made.job("a.x", 3), made.job("a.y", 3, same=["a.x"]), made.job("a.z", 3, same=["a.y"]), made.job("b.x", 1, ["a.z"])
)


def test_a_failed_unit_holds_back_its_fellows_and_who_reads_all_and_nobody_else() -> None:
    entry = submission("a.x", [(0,), (1,), (2,)], 1, "40")
    seen = {"submissions": [entry], "attempts": [attempt(entry, 1, verdict="failed", reason="why")]}
    states = look(CHAIN, **seen, done={"a.x": units("a.x", [0, 2])})
    actions = act(states, graph=CHAIN)
    assert by_key(actions, CHAIN) == {"a.y": "02", "a.z": "02"}
    assert actions.held_back == {"a.y": "waits for a.x", "a.z": "waits for a.y", "b.x": "waits for a.z"}
    healed = act(states, heal=True, graph=CHAIN)
    assert by_key(healed, CHAIN) == {"a.x": "1", "a.y": "012", "a.z": "012", "b.x": "0"}


def test_units_whose_inputs_are_complete_are_ready_and_the_others_wait() -> None:
    actions = act(look(CHAIN, done={"a.x": units("a.x", [0, 2])}), graph=CHAIN)
    assert by_key(actions, CHAIN) == {"a.x": "1", "a.y": "012", "a.z": "012", "b.x": "0"}
    assert actions.ready == {"a.x": units("a.x", [1]), "a.y": units("a.y", [0, 2]), "a.z": set(), "b.x": set()}


def test_ready_units_are_submitted_without_a_dependency_and_the_others_after_what_makes_their_inputs() -> None:
    job, chosen = CHAIN.jobs["a.y"], tuple(CHAIN.jobs["a.y"].units)
    found = list(by_readiness(job, chosen, units("a.y", [2]), {"a.x": ["40", "41_0"]}))
    assert found == [((), [unit("a.y", 2)]), (("40", "41_0"), [unit("a.y", 0), unit("a.y", 1)])]
    assert list(by_readiness(job, chosen, units("a.y", range(3)), {"a.x": ["40"]})) == [((), list(chosen))]


def test_a_queued_unit_behind_a_failed_fellow_is_blocked_and_its_neighbours_are_released() -> None:
    entries = [submission(name, [(0,), (1,), (2,)], n, f"4{n}") for n, name in enumerate(("a.x", "a.y"))]
    rows = [row(f"41_{n}", reason="Dependency") for n in range(3)]
    tried = [attempt(entries[0], 1, verdict="failed", reason="why")]
    states = look(CHAIN, submissions=entries, attempts=tried, queue=rows, done={"a.x": units("a.x", [0, 2])})
    # All wait for an array of which an element has failed: Slurm starts none of them by itself.
    assert {(state.state, state.reason) for state in states["a.y"].values()} == {("blocked", "waits for a.x")}
    assert act(states, graph=CHAIN).release == {"a.y": ("41_0", "41_2")}
    running = [*rows, row("40_2", "RUNNING")]
    states = look(CHAIN, submissions=entries, attempts=tried, queue=running, done={"a.x": units("a.x", [0])})
    assert [state.state for state in states["a.y"].values()] == ["queued", "blocked", "queued"]
    assert act(states, graph=CHAIN).release == {"a.y": ("41_0",)}


def published(name: str, key: int, output: str) -> str:
    return f"{unit(name, key)}/{output}"


def during(reader: str, of: str, outputs: Sequence[str]) -> Job:
    """Return a job whose units each read one output that the only unit of another job publishes as it runs."""
    job = made.job(reader, len(outputs))
    needs = [(Need(of, unit(of, 0), output),) for output in outputs]
    own = {each.folder: replace(each, needs=need) for each, need in zip(job.units.values(), needs, strict=True)}
    return replace(job, units=own, upstream=(of,))


MARCH = made.graph(made.job("a.march"), during("b.read", "a.march", ("1", "2")))


def test_what_a_running_unit_has_published_makes_its_readers_ready() -> None:
    entry = submission("a.march", [(0,)], 1, "40")
    done = {"a.march": frozenset({published("a.march", 0, "1")})}
    states = look(MARCH, submissions=[entry], queue=[row("40_0", "RUNNING")], done=done)
    actions = next_actions(MARCH, states, done, heal=False)
    assert by_key(actions, MARCH) == {"b.read": "01"}
    assert actions.ready == {"b.read": units("b.read", [0])}


def test_queued_readers_of_what_is_published_are_released_element_by_element() -> None:
    entries = [submission("a.march", [(0,)], 1, "40"), submission("b.read", [(0,), (1,)], 2, "50")]
    rows = [row("40_0", "RUNNING"), row("50_0", reason="Dependency"), row("50_1", reason="Dependency")]
    done = {"a.march": frozenset({published("a.march", 0, "1")})}
    states = look(MARCH, submissions=entries, queue=rows, done=done)
    assert next_actions(MARCH, states, done, heal=False).release == {"b.read": ("50_0",)}
    packed = [entries[0], submission("b.read", [(0, 1)], 2, "50")]
    states = look(MARCH, submissions=packed, queue=rows[:2], done=done)
    assert next_actions(MARCH, states, done, heal=False).release == {}, "an element starts when all its units can"


def test_a_failed_unit_does_not_hold_back_readers_of_what_it_had_published() -> None:
    entry = submission("a.march", [(0,)], 1, "40")
    done = {"a.march": frozenset({published("a.march", 0, "1")})}
    states = look(MARCH, submissions=[entry], attempts=[attempt(entry, verdict="failed")], done=done)
    actions = next_actions(MARCH, states, done, heal=False)
    assert by_key(actions, MARCH) == {"b.read": "0"}
    assert actions.held_back == {"b.read": "waits for a.march"}


def test_parts_of_a_unit_that_is_done_are_not_run() -> None:
    reader = replace(made.job("a.join", 3, same=("a.part",)), parted={"part": "a.part"})
    graph = made.graph(made.job("a.part", 3), reader)
    done = {"a.join": units("a.join", [0]), "a.part": units("a.part", [1])}
    states = look(graph, done=done)
    actions = next_actions(graph, states, done, heal=False)
    assert by_key(actions, graph) == {"a.part": "2", "a.join": "12"}
    assert [state.state for state in states["a.part"].values()] == ["done", "done", "missing"]
    assert [state.reason for state in states["a.part"].values()] == ["not needed now", "", ""]


def service(name: str) -> Job:
    job = made.job(name)
    return replace(job, step=replace(job.step, is_service=True))


SERVED = made.graph(service("a.serve"), during("b.read", "a.serve", ("address.json", "address.json")))
ADDRESS = {"a.serve": frozenset({published("a.serve", 0, "address.json")})}
SERVICE = submission("a.serve", [(0,)], 1, "40")


def test_a_service_is_submitted_for_its_readers_and_they_are_ready_when_it_serves() -> None:
    before = act(look(SERVED), graph=SERVED)
    assert by_key(before, SERVED) == {"a.serve": "0", "b.read": "01"}
    assert before.ready["b.read"] == set()
    states = look(SERVED, submissions=[SERVICE], queue=[row("40_0", "RUNNING")], done=ADDRESS)
    actions = next_actions(SERVED, states, ADDRESS, heal=False)
    assert actions.ready == {"b.read": units("b.read", [0, 1])}


def test_queued_readers_of_a_service_that_all_of_them_read_are_released_when_it_serves() -> None:
    common = replace(made.job("b.read", 2), needs={"a.serve": ADDRESS["a.serve"]}, upstream=("a.serve",))
    graph = Graph({"a.serve": SERVED.jobs["a.serve"], "b.read": common}, {})
    entries = [SERVICE, submission("b.read", [(0,), (1,)], 2, "50")]
    rows = [row("40_0", "RUNNING"), row("50_0", reason="Dependency"), row("50_1", reason="Dependency")]
    for done, released in ((ADDRESS, {"b.read": ("50",)}), ({}, {})):
        states = look(graph, submissions=entries, queue=rows, done=done)
        assert next_actions(graph, states, done, heal=False).release == released


def test_the_address_of_a_service_that_does_not_run_counts_for_nothing() -> None:
    for rows in ([], [row("40_0", reason="BeginTime")]):
        states = look(SERVED, submissions=[SERVICE], queue=rows, done=ADDRESS)
        assert next_actions(SERVED, states, ADDRESS, heal=False).ready["b.read"] == set()


@pytest.mark.parametrize("rows", [[], [row("40_0", "RUNNING")]])
def test_a_service_whose_readers_are_done_is_idle_and_not_submitted_again(rows: list[QueueRow]) -> None:
    done = {"b.read": units("b.read", [0, 1])}
    states = look(SERVED, submissions=[SERVICE], queue=rows, done=done)
    assert idle_services(SERVED, states, ()) == ["a.serve"]
    assert next_actions(SERVED, states, done, heal=True).submit == {}
    assert finished(states) == (not rows), "while it runs it holds its nodes"


def test_a_service_whose_readers_have_failed_is_held_back_until_they_are_healed() -> None:
    entry = submission("b.read", [(0,), (1,)], 2, "50")
    tried = [attempt(entry, element, verdict="failed") for element in (0, 1)]
    states = look(SERVED, submissions=[entry], attempts=tried)
    assert act(states, graph=SERVED).held_back["a.serve"] == "no unit that reads from it can run"
    assert by_key(act(states, graph=SERVED), SERVED) == {}
    assert by_key(act(states, heal=True, graph=SERVED), SERVED) == {"a.serve": "0", "b.read": "01"}


def test_a_service_without_readers_is_never_idle() -> None:
    alone = made.graph(service("a.serve"))
    states = look(alone, submissions=[SERVICE], queue=[row("40_0", "RUNNING")])
    assert idle_services(alone, states, ()) == []
    assert by_key(act(look(alone), graph=alone), alone) == {"a.serve": "0"}


@dataclass
class Array:
    """One array in the small Slurm below."""

    entry: Submission
    after: tuple[str, ...]
    elements: list[str]
    known: bool = True
    free: set[int] = field(default_factory=set)
    """Elements that need not wait."""


@dataclass
class SmallSlurm:
    """Slurm's rules for arrays and afterok, purging of old ids included, with elements that end as the dice fall.

    One that failed may linger in the queue until the next starts.
    """

    graph: Graph
    dice: random.Random
    arrays: dict[str, Array] = field(default_factory=dict)
    done: dict[str, set[str]] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def submit(self, name: str, elements: tuple[tuple[str, ...], ...], after: tuple[str, ...]) -> str:
        slurm_id = str(100 + len(self.arrays))
        entry = replace(submission(name, [], len(self.arrays) + 1, slurm_id), elements=elements)
        self.arrays[slurm_id] = Array(entry, after, ["PENDING"] * len(elements))
        return slurm_id

    def met(self, after: tuple[str, ...]) -> bool | None:
        """Return whether a dependency is met; None: it never will be. An id that is no longer known counts as met."""
        states: list[str] = []
        for text in after:
            slurm_id, _, element = text.partition("_")
            array = self.arrays[slurm_id]
            if array.known:
                states += [array.elements[int(element)]] if element else array.elements
        if any(state in ("FAILED", "CANCELLED") for state in states):
            return None
        return all(state == "COMPLETED" for state in states)

    def queue(self) -> list[QueueRow]:
        rows = []
        for slurm_id, array in self.arrays.items():
            met = self.met(array.after)
            waits = "DependencyNeverSatisfied" if met is None else "Priority" if met else "Dependency"
            for n, state in enumerate(array.elements):
                if state in ("PENDING", "COMPLETING"):
                    rows.append(row(f"{slurm_id}_{n}", state, "Priority" if n in array.free else waits))
        return made.named(rows, [array.entry for array in self.arrays.values()])

    def snapshot(self) -> Snapshot:
        done = {name: frozenset(found) for name, found in self.done.items()}
        entries = [array.entry for array in self.arrays.values()]
        return Snapshot(done=done, submissions=entries, attempts=list(self.attempts), queue=self.queue())

    def run_one(self, luck: float) -> bool:
        """Run one element that may start; False if there is none."""
        for array in self.arrays.values():
            array.elements = ["FAILED" if state == "COMPLETING" else state for state in array.elements]
        ready = [
            (array, n)
            for array in self.arrays.values()
            for n, state in enumerate(array.elements)
            if state == "PENDING" and (n in array.free or self.met(array.after))
        ]
        if not ready:
            return False
        array, element = self.dice.choice(ready)
        entry = array.entry
        job = self.graph.jobs[entry.job]
        needed = {(need, each) for need, names in job.needs.items() for each in names}
        needed |= {(need.job, need.folder) for each in entry.elements[element] for need in job.units[each].needs}
        complete = all(each in self.done.get(need, ()) for need, each in needed)
        fate = "done" if self.dice.random() < luck else self.dice.choice(["failed", "killed", "vanished"])
        if not complete:
            fate = "failed"  # the worker looks at the marks of what it needs before it begins
        if fate == "done":
            self.done.setdefault(entry.job, set()).update(entry.elements[element])
        if fate != "vanished":
            word = None if fate == "killed" else fate
            self.attempts.append(attempt(entry, element, verdict=word))
        failed = "COMPLETING" if fate == "failed" and self.dice.random() < 0.5 else "FAILED"
        array.elements[element] = "COMPLETED" if fate == "done" else failed
        return True

    def forget(self) -> None:
        """Purge arrays that have ended, as Slurm does after MinJobAge."""
        for array in self.arrays.values():
            listed = {"PENDING", "COMPLETING"} & set(array.elements)
            array.known = array.known and (bool(listed) or self.dice.random() < 0.5)


def launch(slurm: SmallSlurm, heal: bool) -> None:
    """Do what `run` and `heal` do, by the same pure functions (jobs.submit.dispatch.Submitter does it for real)."""
    seen = slurm.snapshot()
    states = unit_states(slurm.graph, seen)
    actions = next_actions(slurm.graph, states, seen.done, heal)
    waiting = {name: list(waits_for(name, found, seen.submissions, seen.attempts)) for name, found in states.items()}
    for name, chosen in actions.submit.items():
        assert not [each for each in chosen if states[name][each].state in LIVE], "submitted twice"
        job = slurm.graph.jobs[name]
        for after, some in by_readiness(job, chosen, actions.ready[name], waiting):
            resources = job.resources.model_copy(update={"units_per_element": slurm.dice.choice([1, 1, 2])})
            for elements in chunks(replace(job, resources=resources), some, 3):
                waiting[name].append(slurm.submit(name, elements, after))
    for name in actions.rewire:
        after = tuple(array for need in slurm.graph.jobs[name].upstream for array in waiting[need])
        for entry in live_arrays(name, states[name], seen.submissions):
            slurm.arrays[entry.slurm_id].after = after
    for released in actions.release.values():
        for slurm_element in released:
            slurm_id, _, index = slurm_element.partition("_")
            array = slurm.arrays[slurm_id]
            array.free |= {int(index)} if index else set(range(len(array.elements)))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_fails_and_whenever_one_looks_one_heal_ends_in_a_finished_run(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"{letter}.x" for letter in "abcdef"]
    jobs: list[Job] = []
    for index, name in enumerate(names):
        count, needs = dice.randint(1, 7), dice.sample(jobs, min(index, dice.randint(0, 2)))
        same = [need.name for need in needs if len(need.units) >= count and dice.random() < 0.5]
        jobs.append(made.job(name, count, [need.name for need in needs if need.name not in same], same))
    slurm = SmallSlurm(made.graph(*jobs), dice)
    for _ in range(dice.randint(1, 20)):
        launch(slurm, heal=dice.random() < 0.7)
        for _ in range(dice.randint(0, 8)):
            slurm.run_one(luck=0.6)
        if dice.random() < 0.3:
            slurm.forget()
        states = unit_states(slurm.graph, slurm.snapshot())
        if not slurm.run_one(luck=0.6):
            assert not in_flight(states), "nothing can run, and status promises it"
    launch(slurm, heal=False)
    for _ in range(dice.randint(0, 5)):
        slurm.run_one(luck=0.6)
    launch(slurm, heal=True)
    while slurm.run_one(luck=1.0):
        pass
    assert finished(unit_states(slurm.graph, slurm.snapshot())), "one heal is enough, however things stood"
