"""The verb `tune`: a run's web stages judged again with other thresholds, as tables to read."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jobs.plan.graph import Job, used_settings
from jobs.plan.recipe import apply_override, make_recipe
from jobs.runs import Run
from stages.shared.contract import shard_dir
from stages.shared.errors import ConfigError
from stages.web.config import WebConfig
from stages.web.tune import STEPS, compare
from stages.web.tune import Outcome as Verdict


def lines(journey: Run, overrides: Sequence[str]) -> Iterator[RenderableType]:
    """Yield for each web stage of the run a table of what its thresholds drop and what the others would."""
    values = copy.deepcopy(dict(journey.recipe.values))
    for override in overrides:
        apply_override(values, override)
    sections = make_recipe(values).sections
    jobs = [job for job in journey.graph.jobs.values() if job.config.stage == "web" and job.step.name == "extract"]
    if not jobs:
        raise ConfigError("run", journey.name, "a run with a web stage")
    for job in jobs:
        after = sections[job.section]
        assert isinstance(job.config, WebConfig) and isinstance(after, WebConfig)
        yield from _section(journey, job, job.config, after)
    again = " ".join(f"--set {shlex.quote(override)}" for override in overrides)
    yield Text(f"`launch.py run` with {again} filters again; nothing is extracted again." if overrides else NOTHING)


NOTHING = "Give other thresholds to compare, such as --set web.quality.min_words=80."


def _section(journey: Run, job: Job, before: WebConfig, after: WebConfig) -> Iterator[RenderableType]:
    was = used_settings(before, job.step.uses)
    for name, value in used_settings(after, job.step.uses).items():
        if value != was[name]:
            wanted = "thresholds of language, repetition or quality: with this, pages must be extracted again"
            raise ConfigError(f"{job.section}.{name}", value, wanted)
    folder = journey.paths.step(job.name, job.fingerprint)
    done = sorted(folder.done_shards())
    if not done:
        raise ConfigError("run", journey.name, f"a run whose {job.name} has finished at least one shard")
    now, then = compare((shard_dir(folder.root, shard) for shard in done), before, after)
    yield Text(f"{job.section}: {now.pages:,} extracted pages of {len(done)} of {job.step.shards} shards", style="bold")
    yield _table(now, then)


def _table(now: Verdict, then: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("step", "reason", "now", "then", "change"):
        table.add_column(column, justify="left" if column in ("step", "reason") else "right")
    for step, reason in sorted({*now.dropped, *then.dropped}, key=lambda rule: (STEPS.index(rule[0]), rule[1])):
        _row(table, step, reason, now.dropped.get((step, reason), 0), then.dropped.get((step, reason), 0))
    _row(table, "kept", "pages", now.kept, then.kept, "bold")
    _row(table, "", "tokens", now.tokens, then.tokens, "bold")
    return table


def _row(table: Table, step: str, reason: str, now: int, then: int, style: str = "") -> None:
    change = f"{then - now:+,}" if then != now else ""
    table.add_row(step, reason, f"{now:,}", f"{then:,}", change, style=style or ("" if change else "dim"))
