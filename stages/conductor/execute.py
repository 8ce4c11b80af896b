"""Execution of a plan: each task starts when those that it needs are done, several at once, in a bounded pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from stages.conductor.plans import PlannedTask
from stages.formats.conducted.records import Delegated, Performed

Work = Callable[[PlannedTask, Mapping[int, Delegated]], Delegated]
"""Does a task, given those that it needs. An error of it ends the execution."""


def execute(tasks: Sequence[PlannedTask], work: Work, workers: int) -> list[Delegated]:
    """Return the tasks with their results, in order. `tasks` are a Plan's: each needs earlier ones alone.

    A task that needs one that is not done is skipped, and the result names that one.
    """
    done: dict[int, Delegated] = {}
    waiting = {task.id: task for task in tasks}
    running: dict[Future[Delegated], int] = {}
    with ThreadPoolExecutor(workers) as pool:
        while waiting or running:
            for task in [each for each in waiting.values() if all(need in done for need in each.dep)]:
                del waiting[task.id]
                failed = [need for need in task.dep if done[need].state != "done"]
                if failed:
                    done[task.id] = _skipped(task, failed[0])
                else:
                    needs = {need: done[need] for need in task.dep}
                    running[pool.submit(work, task, needs)] = task.id
            ended = wait(running, return_when=FIRST_COMPLETED).done if running else set()
            for future in sorted(ended, key=running.__getitem__):  # of several errors always the same one
                done[running.pop(future)] = future.result()
    return [done[task.id] for task in tasks]


def _skipped(task: PlannedTask, need: int) -> Delegated:
    result = Performed(reason="needs_another", detail=f"needs task {need}, which was not done", attempts=0)
    return Delegated(id=task.id, task=task.task, dep=task.dep, args=task.args, state="skipped", result=result)
