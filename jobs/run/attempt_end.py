"""Records an attempt's end and prints a verdict: `python -m jobs.run.attempt_end RUN_DIR JOB KEY CODE`.

Runs after the worker is gone, however it went, so that a SIGKILL leaves a record too. Reads the records of this element
alone. The verdict is one word for the shell: done, requeue (followed by the seconds to wait), bad-node (followed by the
node), never, failed, cancelled.
It holds the crash-loop breaker: starting again is for those who get on.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.paths import RunPaths
from jobs.run.element import Element, place_from_environment
from jobs.run.srun import first_end, is_about_a_peer, is_stopped_first
from jobs.submit.ledger import claimed, is_cancelled, read_assignment
from jobs.submit.strikes import Strike, write_strike
from stages.formats.attempts import (
    Attempt,
    AttemptName,
    EndRecord,
    TroubleRecord,
    read_attempts_of_element,
    write_record,
)
from stages.shared.errors import EXIT_BAD_NODE, EXIT_CHECKPOINTED, EXIT_DONE, EXIT_NEVER, system_error
from stages.shared.files import read_tail

KILLED = 128 + signal.SIGKILL
TAIL_BYTES = 4 << 20
"""Of the log: hundreds of ranks may say at length that they have lost a peer."""


@dataclass(frozen=True)
class Verdict:
    """What is to be done with the element, and why."""

    word: str
    reason: str
    wait_s: int = 0
    """Seconds before the element is to start again; 0: as soon as Slurm lets it."""


def judge(
    code: int, past: Sequence[Attempt], progress: int, *, can_resume: bool, max_stalls: int, backoff_s: int = 0
) -> Verdict:
    """Return the verdict on an attempt that ended with `code` after reaching `progress`. Pure.

    `past` are the element's earlier attempts in order. An attempt gets on if it reached more than all before it; too
    many in a row that do not are a crash loop. A step that cannot resume is not started again after an exception of its
    own (it would meet the same one), only after being killed from outside. After one attempt without progress it starts
    again at once, after the second behind `backoff_s`, doubled for each further one.
    """
    if code == EXIT_DONE:
        return Verdict("done", "")
    if code == EXIT_NEVER:
        return Verdict("never", "the input or the recipe is wrong; running again cannot help")
    how = _how_it_ended(code)
    killed = code > 128
    if not (killed or code in (EXIT_CHECKPOINTED, EXIT_BAD_NODE) or can_resume):
        return Verdict("failed", how)
    stalls = _stalls([*(attempt.progress for attempt in past), progress])
    if stalls > max_stalls:
        return Verdict(
            "failed", f"crash loop: {stalls} attempts in a row without progress past {max(0, progress)}, the last {how}"
        )
    if code == EXIT_BAD_NODE:  # which starts elsewhere: nothing to wait for
        return Verdict("bad-node", how)
    return Verdict("requeue", how, wait_s=backoff_s << (stalls - 2) if stalls > 1 else 0)


def _stalls(reached: Sequence[int]) -> int:
    """Return how many attempts at the end of the list got no further than the best before them."""
    stalls, best = 0, 0
    for progress in reached:
        stalls = 0 if progress > best else stalls + 1
        best = max(best, progress)
    return stalls


def _how_it_ended(code: int) -> str:
    known = {EXIT_CHECKPOINTED: "state saved (exit 85)", EXIT_BAD_NODE: "the node is bad (exit 77)"}
    if code in known:
        return known[code]
    return f"killed by signal {code - 128} (exit {code})" if code > 128 else f"failed (exit {code})"


def _trouble(
    run: RunPaths, place: Element, this: AttemptName, code: int, noted: TroubleRecord | None
) -> TroubleRecord | None:
    """Return why the first of several ranks failed: as one of them has noted, or as srun says of one that could not.

    Side effect: records what srun says.
    """
    if place.world_size == 1 or code in (EXIT_DONE, EXIT_CHECKPOINTED):
        return noted
    if noted is not None and noted.exit_code in (EXIT_NEVER, EXIT_BAD_NODE):  # no peer's end makes a rank say so
        return noted
    log, reason = read_tail(run.log(this.job, this.key, this.element), TAIL_BYTES), noted.reason if noted else ""
    if end := first_end(log, reason):
        remedy = f": raise resources.{this.job}.mem_gb" if end.is_out_of_memory else ""
        found = TroubleRecord(exit_code=end.exit_code, reason=end.sentence + remedy, node=end.node)
    elif noted and is_about_a_peer(reason) and is_stopped_first(log):  # its peer had been stopped like itself
        found = TroubleRecord(exit_code=code, reason=_how_it_ended(code), node=noted.node)
    else:
        return noted
    _write(run, this, found)
    return found


def _write(run: RunPaths, this: AttemptName, record: TroubleRecord | EndRecord) -> None:
    """Write a record. A disk that takes none costs the record, not the verdict."""
    try:
        write_record(run.attempts, this, record)
    except OSError as error:
        print(f"attempt_end: {system_error(error)}", file=sys.stderr)


def _strike(run: RunPaths, this: AttemptName, node: str, end: EndRecord) -> None:
    """Record a strike of a node, as far as the disk takes one."""
    try:
        strike = Strike(node=node, job=this.job, reason=end.reason, when=end.ended)
        write_strike(run, f"{this.key}.{this.element}.{this.restart}", strike)
    except OSError as error:
        print(f"attempt_end: {system_error(error)}", file=sys.stderr)


def main() -> None:
    """Write the end record of the element that the environment names and print the verdict."""
    run, name, key, code = RunPaths(Path(sys.argv[1])), sys.argv[2], sys.argv[3], int(sys.argv[4])
    place = place_from_environment(key)
    if claimed(run, key) not in ("", place.array):  # the ledger's records of this submission are of that array
        print("cancelled")
        return
    job, this = read_assignment(run, name, key), AttemptName(name, key, place.element, place.restart)
    mine = read_attempts_of_element(run.attempts, this, place.lanes, lambda error: print(error, file=sys.stderr))
    now = next((attempt for attempt in mine if attempt.name == this), None)
    past = [attempt for attempt in mine if attempt is not now]
    progress, reasons, node = -1, [], ""
    if now is not None:
        progress = now.progress
        reasons = list(now.result.failed.values()) if now.result else []
        node = now.start.nodes if now.start else ""
    if code == EXIT_DONE and (now is None or now.num_results < place.lanes):
        code = KILLED  # srun ends with 0 where a node of its step was given up
    trouble = _trouble(run, place, this, code, now.trouble if now else None)
    if trouble:  # the code of several ranks is that of those killed, because this one failed
        code, reasons, node = trouble.exit_code, [trouble.reason], trouble.node
    if now is not None and now.result and now.num_results == place.lanes > 1:  # srun returns the largest code of all
        code = now.result.exit_code
    can_resume = job["can_resume"] or job["is_service"]
    backoff_s = job.get("backoff_s", 0) if place.array else 0
    verdict = judge(code, past, progress, can_resume=can_resume, max_stalls=job["max_stalls"], backoff_s=backoff_s)
    if is_cancelled(run, key) and verdict.word != "done":
        verdict = Verdict("cancelled", "cancelled by the user")
    end = EndRecord(
        ended=time.time(),
        exit_code=code,
        verdict=verdict.word,
        reason="; ".join(filter(None, [verdict.reason, *reasons[:1]])),
        progress=progress,
    )
    this.spare(run.attempts).unlink(missing_ok=True)
    _write(run, this, end)
    if verdict.word == "bad-node":
        _strike(run, this, node, end)
    print(verdict.word, *([node] if verdict.word == "bad-node" else [verdict.wait_s] if verdict.wait_s else []))


if __name__ == "__main__":
    main()
