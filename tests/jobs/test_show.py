"""What the user sees: plans, tables and the one line that explains each failure, with names that try to be markup."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from jobs import show
from jobs.commands import command
from jobs.display import PlainConsole
from jobs.plan.graph import Graph
from jobs.plan.recipe import Recipe
from jobs.runs import Run
from jobs.submit.ledger import write_submission
from jobs.submit.reconcile import UnitState
from stages.formats.attempts import AttemptName, write_record
from stages.shared.contract import Forecast
from stages.shared.files import write_json
from tests.jobs import made
from tests.jobs.made import write_done

GRAPH = made.graph(made.job("a.x", 3, cpus=2, time_min=90), made.job("a.y", 1, ["a.x"], ranks=8, ranks_per_node=4))
DONE = UnitState(state="done")


def a_run(folder: Path, graph: Graph = GRAPH, name: str = "mine") -> Run:
    return made.a_run(folder, graph, name)


def states(*of_x: UnitState, y: UnitState | None = None) -> dict[str, dict[str, UnitState]]:
    x = {made.unit("a.x", key): state for key, state in enumerate(of_x)}
    return {"a.x": x, "a.y": {made.unit("a.y", 0): y or UnitState(state="missing")}}


def printed(what: Any) -> str:
    text = io.StringIO()
    Console(file=text, width=160).print(what)
    return text.getvalue()


def failed(reason: str, **more: Any) -> UnitState:
    return UnitState(state="failed", reason=reason, **more)


def test_a_failure_is_one_line_with_the_remedy_after_it(tmp_path: Path) -> None:
    waits = UnitState(state="blocked", reason="waits for a.x")
    seen = states(DONE, failed("RuntimeError: why", attempts=3, key="k", element=1), DONE, y=waits)
    run = a_run(tmp_path)
    made.write_tree(run.paths.root, {"logs/a.x/k.1.log": "why"})
    lines = [line for line, _ in show.verdict_lines(run, seen)]
    assert lines[0] == "a.x/1 failed after 3 attempts: RuntimeError: why"
    assert lines[1] == "a.y cannot start before that is mended"
    assert f"launch.py logs {run.paths.root} a.x/1`" in lines[2]
    assert f"launch.py heal {run.paths.root}`" in lines[2]
    assert lines[3:] == ["  | why"]


def test_a_wrong_setting_is_mended_by_run_and_not_by_heal(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.record.update(command=["run", "demo", "--set", "a.b=it's"], folder=str(Path.cwd()))
    (*_, line), _ = zip(*show.verdict_lines(run, states(DONE, failed("too large", never=True))), strict=True)
    assert f"`{command('run', 'demo', '--set', chr(97) + '.b=it' + chr(39) + 's')}`: heal would meet the same" in line
    run.record["folder"] = "/else where"
    assert run.command_with().startswith("cd '/else where' && ")


def test_what_was_cancelled_goes_on_without_a_log_to_read(tmp_path: Path) -> None:
    cancelled = UnitState(state="cancelled", reason="cancelled by the user", key="k", element=0)
    (*_, (line, _)) = show.verdict_lines(a_run(tmp_path), states(cancelled, DONE, DONE))
    assert line == f"Go on with `{command('heal', str(tmp_path / 'mine'))}`."


def test_no_text_of_a_run_steers_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202etxt"
    run = a_run(tmp_path)
    run.ledger.unreadable.add(evil)
    text = io.StringIO()
    console = PlainConsole(file=text, width=160, color_system=None)
    console.print(show.status_view(run, states(failed(evil), UnitState(state="queued", reason=evil))))
    console.print(evil, Text(evil))
    said = text.getvalue()
    assert not set(said) & set("\x1b\x07\x9b\u202e")
    assert said.count(r"\x1b]0;pwned\x07\x1b[2J\x9b31m\u202etxt") >= 3


def test_what_a_recipe_inherits_is_a_line_for_each_recipe_that_it_extends(tmp_path: Path) -> None:
    inherited = {"web": "base", "train.lr": "base", "train.model": "middle", "report": "base", "train.steps": "base"}
    recipe = Recipe("mine", "", (), {}, {}, {}, inherited)
    assert show.inherited_lines(recipe) == ["from base: web, train (lr, steps), report", "from middle: train (model)"]
    made_of = replace(a_run(tmp_path), recipe=recipe)
    text = io.StringIO()
    show.print_plan(Console(file=text, width=160), made_of, [])
    assert "from base: web, train (lr, steps), report\n" in text.getvalue()


def test_a_guess_is_shown_with_the_plan_and_is_part_of_its_data(tmp_path: Path) -> None:
    text = io.StringIO()
    show.print_plan(Console(file=text, width=160), a_run(tmp_path), [], guesses=["planned from [90,000] files"])
    assert "planned from [90,000] files\n" in text.getvalue()
    assert show.plan_data(a_run(tmp_path), [], {}, ["planned from"])["guesses"] == ["planned from"]


def test_many_failures_of_a_job_are_still_one_line(tmp_path: Path) -> None:
    graph = made.graph(made.job("a.x", 500))
    seen = {"a.x": {made.unit("a.x", key): failed("why") for key in range(500)}}
    (line, *_) = (line for line, _ in show.verdict_lines(a_run(tmp_path, graph), seen))
    assert line.startswith("a.x/0 and 499 others failed: why")
    assert len(line) < 100


def test_a_finished_run_says_so_and_one_under_way_says_nothing(tmp_path: Path) -> None:
    done = states(DONE, DONE, DONE, y=DONE)
    assert [line for line, _ in show.verdict_lines(a_run(tmp_path), done)] == ["mine is finished."]
    running = states(DONE, UnitState(state="running"), DONE)
    assert show.verdict_lines(a_run(tmp_path), running) == []


@pytest.mark.parametrize("word", ["[bold]", "[/nothing]", "[link=x]", "n[a-c]"])
def test_what_looks_like_markup_is_shown_as_it_is(tmp_path: Path, word: str) -> None:
    running = UnitState(state="running", reason=f"on {word}", progress=7, attempts=2)
    assert f"on {word}, progress 7, attempt 2" in printed(show.status_view(a_run(tmp_path), states(DONE, running)))
    waiting = UnitState(state="queued", reason=word, slurm_id="4_1")
    assert f"4_1 {word}" in printed(show.status_view(a_run(tmp_path), states(DONE, waiting)))
    assert word in printed(show.status_view(a_run(tmp_path), states(failed(word))))
    name = word.replace("/", "")
    assert name in printed(show.status_view(a_run(tmp_path, name=name), states(DONE, DONE, DONE, y=DONE)))


def test_the_table_counts_states_by_job(tmp_path: Path) -> None:
    text = printed(show.status_view(a_run(tmp_path), states(DONE, failed("why"), UnitState(state="missing"))))
    row = next(line for line in text.splitlines() if line.startswith("a.x "))
    assert row.split() == ["a.x", "1/3", "1", "done", "1", "failed", "1", "missing"]


def test_the_table_shows_elements_that_units_share_their_starts_and_stale_units(tmp_path: Path) -> None:
    run, shared = a_run(tmp_path), made.submission("a.x", [(0, 1), (2,)])
    write_submission(run.paths, shared)
    for element, restart in ((0, 0), (0, 1), (1, 0)):
        write_record(run.paths.attempts, AttemptName("a.x", shared.key, element, restart), made.start_record())
    made.write_end(run.paths, shared, "done")
    write_done(run.paths.step("a.x", made.fingerprint("a.x")), "of-other-data.abc")
    text = printed(show.status_view(run, states(DONE, DONE, DONE, y=DONE)))
    row = next(line for line in text.splitlines() if line.startswith("a.x "))
    assert row.split() == ["a.x", "3/3", "3", "done", "1", "stale", "2", "elements,", "3", "starts"]
    data = show.status_data(run, states(DONE, DONE, DONE, y=DONE))["jobs"]
    assert [data["a.x"][name] for name in ("elements", "starts", "stale")] == [2, 3, 1]
    assert [data["a.y"][name] for name in ("elements", "starts", "stale")] == [0, 0, 0]


def test_a_plan_says_how_many_units_share_an_element(tmp_path: Path) -> None:
    job = made.job("a.x", 5, units_per_element=2)
    run = a_run(tmp_path, made.graph(job))
    lines = show.planned_jobs(run, {"a.x": {unit: UnitState(state="missing") for unit in job.units}}, 11)
    assert [(line.elements, line.most_units) for line in lines] == [(3, 2)]
    text = io.StringIO()
    show.print_plan(Console(file=text, width=160), run, lines)
    assert "3, up to 2 units each" in text.getvalue()


def test_the_data_is_json_and_holds_every_unit_that_is_not_done(tmp_path: Path) -> None:
    seen = states(DONE, failed("why", key="k", attempts=2), DONE, y=UnitState(state="blocked", reason="waits for a.x"))
    data = json.loads(json.dumps(show.status_data(a_run(tmp_path), seen)))
    assert not data["finished"]
    assert data["jobs"]["a.x"]["counts"] == {"done": 2, "failed": 1}
    assert list(data["jobs"]["a.x"]["units"]) == ["1"]
    assert data["jobs"]["a.x"]["units"]["1"]["reason"] == "why"
    assert data["jobs"]["a.y"]["needs"] == ["a.x"]


def test_a_plan_tells_what_each_job_asks_for_and_why_it_runs(tmp_path: Path) -> None:
    lines = show.planned_jobs(a_run(tmp_path), states(DONE, *[UnitState(state="missing")] * 2), 1)
    x, y = lines
    assert (x.units, x.to_do, x.elements, x.arrays, x.why) == (3, 2, 2, 2, "1 of 3 units reused; to do: 1, 2")
    assert (y.nodes, y.ranks, y.needs, y.why) == (2, 8, ("a.x",), "new")


def test_a_plan_of_what_is_done_says_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    whole = states(DONE, DONE, DONE, y=DONE)
    lines = show.planned_jobs(a_run(tmp_path), whole, 11)
    assert {line.why for line in lines} == {"reused"}
    text = io.StringIO()
    show.print_plan(Console(file=text, width=160), a_run(tmp_path), lines)
    assert "Nothing to do" in text.getvalue()


def test_a_plan_says_which_setting_has_changed(tmp_path: Path) -> None:
    mine = a_run(tmp_path)
    old = mine.paths.step("a.x", "f" * 64)
    write_json(old.step_json, {"identity": {"settings": {"pages": 10, "names": ["a"]}, "version": 1}})
    write_done(old, "0.abc")
    identity = {"settings": {"pages": 20, "names": ["b"]}, "version": 1}
    now = made.graph(replace(made.job("a.x"), identity=identity))
    seen = {"a.x": {made.unit("a.x", 0): UnitState(state="missing")}}
    (line,) = show.planned_jobs(a_run(tmp_path, now), seen, 11)
    assert line.why == "changed: names differs; pages 10 -> 20"


def test_a_plan_says_what_a_job_runs_again_after(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    for job in GRAPH.jobs.values():
        write_done(run.paths.step(job.name, job.fingerprint), "old.abc")
    lines = show.planned_jobs(run, states(DONE, DONE, UnitState(state="missing")), 11)
    assert [line.why for line in lines] == ["2 of 3 units reused; to do: 2", "runs again after a.x"]
    alone = show.planned_jobs(run, states(DONE, DONE, DONE), 11)
    assert [line.why for line in alone] == ["reused", "changed: its inputs"]


def test_a_difference_is_named_by_its_path() -> None:
    before, now = {"a": {"b": 1, "c": 2}, "d": None}, {"a": {"b": 1, "c": 3}, "d": 4, "e": [1]}
    assert show.difference(before, now) == ["a.c 2 -> 3", "d None -> 4", "e differs"]
    assert show.difference(now, now) == []


def test_a_stages_own_forecast_stands_below_the_plan_and_in_its_data(tmp_path: Path) -> None:
    seen = states(*[UnitState(state="missing")] * 3)
    lines = show.planned_jobs(a_run(tmp_path), seen, 1)
    row = ("memory", "31 of 85 [GB]")
    told = {"a.y": Forecast(headline="65 B parameters", rows=(row,), hours=1.0, mem_mb=1.0, data={"step_s": 5.5})}
    text = io.StringIO()
    show.print_plan(Console(file=text, width=160), a_run(tmp_path), lines, told)
    below = text.getvalue().splitlines()[-2:]
    assert [line.rstrip() for line in below] == ["a.y: 65 B parameters", "  memory  31 of 85 [GB]"]
    data = json.loads(json.dumps(show.plan_data(a_run(tmp_path), lines, told)))
    assert data["forecasts"] == {"a.y": {"step_s": 5.5}}
    assert [job["job"] for job in data["jobs"]] == ["a.x", "a.y"]
    assert data["shortfalls"] == []
    small = made.job("a.x", 3, mem_gb=1)
    run = a_run(tmp_path, made.graph(replace(small, step=replace(small.step, mem_mb=2000)), made.job("a.y")))
    (line,) = show.plan_data(run, show.planned_jobs(run, seen, 1), {})["shortfalls"]
    assert line.startswith("a.x needs about 2.0 GB and asks for 1: --set resources.a.x.mem_gb=")


def test_the_last_lines_of_a_log_stand_under_the_remedy_and_cannot_steer_the_terminal(tmp_path: Path) -> None:
    run = made.a_run(tmp_path, made.graph(made.job("a.x")))
    path = run.paths.log("a.x", "0001-a-x", 0)
    made.write_tree(path.parent, {path.name: "".join(f"line {n}\x1b[2J\n\n" for n in range(9)) + "x" * 500})
    state = failed("why", key="0001-a-x", element=0)
    assert show.last_words(run, "a.x/0", state) == [*(f"line {n}\x1b[2J" for n in (6, 7, 8)), "x" * 160]
    shown = printed(show.status_view(run, {"a.x": {made.unit("a.x", 0): state}}))
    assert "\x1b" not in shown
    assert shown.rstrip().endswith("x" * 100)
    assert show.last_words(run, "a.x/0", failed("why", key="other", element=0)) == []
