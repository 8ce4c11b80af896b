"""The index of lm-eval's tasks: what a login node knows of each name without lm-eval.

`python -m stages.formats.benchmarks.make` writes it from the installed lm-eval. It is one gzipped JSON object:

    harness     version of lm-eval
    datasets    list of [path, name] on the Hugging Face hub
    shapes      list of the distinct Shapes, each as a list
    tasks       name -> [YAML file below lm_eval/tasks, number of the data set, number of the shape]
    groups      name -> [YAML file, names of members]
    tags        name -> names of tasks

A task or group that a group defines in place has no file: `group::member`.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from stages.shared.files import write_atomic

FEWSHOT_SEED = 1234
"""lm-eval's own seed for the choice of the solved examples."""
INDEX = Path(__file__).parent / "lm_eval_tasks.json.gz"


class Shape(NamedTuple):
    """What a task does, apart from its data set and texts: many tasks share one."""

    output: str
    """lm-eval's output type: multiple_choice, generate_until, loglikelihood, loglikelihood_rolling."""
    pool: str
    """Split of the solved examples; empty if they are listed in the task, or if the task reads no split."""
    evaluated: str
    """Split that is evaluated; empty if unknown."""
    shots: int | None
    """The task's own number of solved examples; None: none, and others may be asked for."""
    samples: int | None
    """Number of solved examples that are listed in the task; None if `pool` has them, or if unknown."""
    code: bool
    """Whether the model's output runs as code."""
    is_judged: bool
    """Whether that code runs in the metric `code_eval` alone, around which there is a jail."""
    media: bool
    """Whether the questions have pictures or sound."""
    free: bool
    """Whether the task gets its data by code of its own: its data set is unknown."""
    lacks: tuple[str, ...] = ()
    """Packages that the task needs and the level `evaluate` has not."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that loading the task opens."""
        return tuple(dict.fromkeys(filter(None, (self.pool, self.evaluated))))


class DataSet(NamedTuple):
    """A data set of the Hugging Face hub."""

    path: str
    name: str
    """The configuration; empty: the only one."""

    def __str__(self) -> str:
        return f"{self.path} ({self.name})" if self.name else self.path


@dataclass(frozen=True)
class TaskInfo:
    """One task, without its members or texts."""

    name: str
    data: DataSet
    shape: Shape


@dataclass(frozen=True)
class Index:
    """All names of one lm-eval."""

    harness: str
    tasks: Mapping[str, tuple[str, DataSet, Shape]]
    groups: Mapping[str, tuple[str, tuple[str, ...]]]
    tags: Mapping[str, tuple[str, ...]]

    def __contains__(self, name: str) -> bool:
        """Return whether lm-eval loads this name."""
        return bool(self.tasks.get(name, ("",))[0] or self.groups.get(name, ("",))[0] or name in self.tags)

    def names(self) -> Iterator[str]:
        """Yield every name that lm-eval loads."""
        return (name for name in (*self.tasks, *self.groups, *self.tags) if name in self)

    def leaves(self, name: str) -> Iterator[TaskInfo]:
        """Yield the task of this name, or the tasks of its group or tag."""
        if name in self.tasks:
            _, data, shape = self.tasks[name]
            yield TaskInfo(name, data, shape)
            return
        members = self.groups[name][1] if name in self.groups else self.tags.get(name, ())
        for member in members:
            yield from self.leaves(member)

    def near(self, name: str, others: tuple[str, ...]) -> str:
        """Return a hint: the nearest name, else the command that lists all names."""
        near = get_close_matches(name, [*others, *self.names()], n=1, cutoff=0.6)
        return f"did you mean {near[0]!r}?" if near else "see `lm-eval ls tasks`"


@functools.cache
def read_index() -> Index:
    """Return the shipped index."""
    plain = json.loads(gzip.decompress(INDEX.read_bytes()))
    datasets = [DataSet(*each) for each in plain["datasets"]]
    shapes = [Shape(*each)._replace(lacks=tuple(each[-1])) for each in plain["shapes"]]
    return Index(
        harness=plain["harness"],
        tasks={name: (file, datasets[data], shapes[shape]) for name, (file, data, shape) in plain["tasks"].items()},
        groups={name: (file, tuple(members)) for name, (file, members) in plain["groups"].items()},
        tags={name: tuple(members) for name, members in plain["tags"].items()},
    )


def write_index(plain: Mapping[str, Any], path: Path = INDEX) -> None:
    """Write the index: equal content makes equal bytes."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    write_atomic(path, gzip.compress(text.encode(), mtime=0))


def shape_of(config: Mapping[str, Any], lacks: tuple[str, ...] = (), is_judged: bool = False) -> Shape:
    """Return the shape of a task from its YAML file's content, in which functions may be names."""
    fewshot = config.get("fewshot_config") or {}
    samples, split = fewshot.get("samples"), fewshot.get("split") or config.get("fewshot_split")
    pools = (split, *(config.get(f"{name}_split") for name in ("training", "validation", "test")))
    is_listed = samples is not None and not split
    return Shape(
        output=config.get("output_type") or "generate_until",
        pool="" if is_listed else next(filter(None, pools), ""),
        evaluated=config.get("test_split") or config.get("validation_split") or "",
        shots=config.get("num_fewshot"),
        samples=len(samples) if is_listed and isinstance(samples, list) else None,
        code=bool(config.get("unsafe_code")),
        is_judged=is_judged,
        media=bool(config.get("doc_to_image") or config.get("doc_to_audio")),
        free=bool(config.get("class") or config.get("custom_dataset")),
        lacks=lacks,
    )
