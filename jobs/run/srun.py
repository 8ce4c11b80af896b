"""srun's own lines in a log: the rank that ended first, where several ranks work on one unit. Pure.

The ranks that lose a peer say so at length and end within milliseconds, often before srun has noticed the peer's end.
Formats: `_task_finish` of Slurm's launch plugin, 20.11 to 25.05.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from stages.shared.errors import EXIT_CHECKPOINTED

BEGIN = "stagecoach: attempt"
"""Start of the batch script's first line in the log, once for each attempt: templates/sbatch/job.sh.j2."""
ENDED = re.compile(r"srun: error: (?P<node>\S+): tasks? (?P<ranks>[\d,-]+): (?P<how>[^\n]+)")
NODE_FAILED = re.compile(r"srun: error: (?P<how>Node failure on (?P<node>\S+))")
STOPPED = re.compile(r"slurmstepd\S*: error: \*\*\* STEP .* CANCELLED AT")
"""Slurm ends the ranks that are left: srun has asked for it since one has ended, or somebody else has."""
OUT_OF_MEMORY = re.compile(r"(?i)\boom[-_ ]kill|(?<!cuda )out of memory|exceeded memory limit")
LOST_PEER = re.compile(r"(?i)\bpeer\b|\bgloo\b|nccl|broken pipe|connection|remote|socket|timed? ?out")
EXITED = re.compile(r"Exited with exit code (\d+)")
SIGNALS = {text: int(number) for number in signal.valid_signals() if (text := signal.strsignal(number))}
CONSEQUENCES = (signal.SIGTERM, signal.SIGABRT)
"""Signals of ranks that are ended by srun, or by a library that has lost a peer."""


@dataclass(frozen=True, kw_only=True)
class RankEnd:
    """The end of a rank, or of several at once, as srun reports it."""

    ranks: str
    """Their numbers, such as `1` or `4-7`; "" for all of a node."""
    node: str
    how: str
    """srun's words."""
    exit_code: int
    """128 + signal if killed."""
    is_out_of_memory: bool

    @property
    def is_killed(self) -> bool:
        """Whether a signal ended it that neither srun nor a library sends for the sake of another rank."""
        return self.exit_code > 128 and self.exit_code - 128 not in CONSEQUENCES

    @property
    def sentence(self) -> str:
        """What happened, with srun's words."""
        if not self.ranks:
            return f"node {self.node} failed (srun: {self.how})"
        who = f"ranks {self.ranks} were" if re.search(r"\D", self.ranks) else f"rank {self.ranks} was"
        if self.is_out_of_memory:
            return f"{who} killed on {self.node} for lack of memory (srun: {self.how})"
        if self.exit_code > 128:
            return f"{who} killed by signal {self.exit_code - 128} on {self.node} (srun: {self.how})"
        return f"{who.rpartition(' ')[0]} ended on {self.node} without a word (srun: {self.how})"


def first_end(log: str, reason: str) -> RankEnd | None:
    """Return the rank that made the others fail in the last attempt of a log, None if srun's lines name none.

    `reason` is that of the first rank that gave one, or "". A rank that was killed comes before it. Ranks that
    Slurm has stopped may have hung and been killed then: they count only if it is about a lost peer. A rank that
    ended by itself counts only if none gave a reason.
    """
    text, before = _parts(log)
    out_of_memory = bool(OUT_OF_MEMORY.search(text))
    first = _ends(before, out_of_memory)
    if not first and before != text:
        return None
    ends = _ends(text, out_of_memory) if is_about_a_peer(reason) else first
    killed = [end for end in ends if end.is_killed]
    return next(iter(killed or ([] if reason else first)), None)


def is_stopped_first(log: str) -> bool:
    """Return whether Slurm has stopped the last attempt before any rank ended: at a limit, or since somebody asked."""
    text, before = _parts(log)
    return before != text and not _ends(before, out_of_memory=False)


def is_about_a_peer(reason: str) -> bool:
    """Return whether a rank says no more than that it has lost another one."""
    return bool(LOST_PEER.search(reason))


def _parts(log: str) -> tuple[str, str]:
    """Return the log of the last attempt, and its part before Slurm stopped the ranks that were left."""
    text = log.rpartition(BEGIN)[2]
    stopped = STOPPED.search(text)
    return text, text[: stopped.start()] if stopped else text


def _ends(text: str, out_of_memory: bool) -> list[RankEnd]:
    matches = sorted((*ENDED.finditer(text), *NODE_FAILED.finditer(text)), key=lambda match: match.start())
    ends = [_end(match.groupdict(), out_of_memory) for match in matches]
    return [end for end in ends if end.exit_code not in (0, EXIT_CHECKPOINTED)]


def _end(found: dict[str, str], out_of_memory: bool) -> RankEnd:
    how = found["how"].strip()
    exited = EXITED.match(how)
    number = SIGNALS.get(how.partition(" (")[0], int(signal.SIGKILL))  # "Segmentation fault (core dumped)"
    return RankEnd(
        ranks=found.get("ranks", ""),
        node=found["node"],
        how=how,
        exit_code=int(exited[1]) if exited else 128 + number,
        is_out_of_memory=how == "Out Of Memory" or (out_of_memory and how == "Killed"),
    )
