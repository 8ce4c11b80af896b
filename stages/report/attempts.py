"""Read a run's ledger: which element of which job was started when, where, and what came of it.

The launcher writes it (`ledger/attempts/<job>/<key>.<element>.<restart>.{start,end}.json`); this is the one place of
the report that knows its file names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.report.data import Attempt
from stages.shared.errors import DataError
from stages.shared.files import read_json

START = ".start.json"
END = ".end.json"


def read_attempts(run_dir: Path) -> list[Attempt]:
    """Return all attempts in order of start. Raises DataError, naming the file, for a record that is none."""
    folder = run_dir / "ledger" / "attempts"
    attempts = [_attempt(path) for path in folder.glob(f"*/*{START}")]
    attempts.sort(key=lambda attempt: (attempt.started, attempt.job, attempt.element, attempt.restart))
    latest = {(attempt.job, shard): attempt for attempt in attempts for shard in attempt.shards}
    return [attempt if attempt.verdict else _unended(attempt, latest) for attempt in attempts]


def _attempt(path: Path) -> Attempt:
    try:
        start: dict[str, Any] = read_json(path)
        end_path = path.with_name(path.name.removesuffix(START) + END)
        end: dict[str, Any] = read_json(end_path) if end_path.exists() else {}
        return Attempt(
            job=str(start["job"]),
            element=int(start["element"]),
            restart=int(start["restart"]),
            shards=tuple(map(int, start["shards"])),
            slurm_id=str(start.get("slurm_id", "")),
            node=str(start.get("node", "")),
            started=float(start["started"]),
            ended=float(end["ended"]) if end else None,
            verdict=str(end.get("verdict", "")),
            reason=str(end.get("reason") or ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a record of an attempt ({error!r})", "Move it away and report again") from error


def _unended(attempt: Attempt, latest: dict[tuple[str, int], Attempt]) -> Attempt:
    """Say what an attempt without an end is: lost if one of its shards was started again later, else running."""
    superseded = any(latest[attempt.job, shard] is not attempt for shard in attempt.shards)
    verdict, reason = ("lost", "it left no end; a later attempt took over") if superseded else ("running", "")
    return Attempt(**{**vars(attempt), "verdict": verdict, "reason": reason})
