"""Makes the index of lm-eval's tasks from the installed lm-eval: `python -m stages.formats.benchmarks.make`.

Needs the level `evaluate`. Imports no module of a task, since some download or exit when they are imported.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.api.registry import METRIC_REGISTRY
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind

from stages.formats.benchmarks.index import INDEX, Shape, shape_of, write_index

ROOT = Path(lm_eval.tasks.__file__).parent


class _Maker:
    """Collects the parts of the index."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self.datasets: dict[tuple[str, str], int] = {}
        self.shapes: dict[Shape, int] = {}
        self.tasks: dict[str, list[Any]] = {}
        self.groups: dict[str, list[Any]] = {}

    def add(self, name: str, entry: Entry) -> None:
        file = entry.yaml_path.relative_to(ROOT).as_posix()
        if entry.kind == Kind.GROUP:
            self.groups[name] = [file, list(self._members(name, entry.cfg.get("task") or ()))]
        else:
            self._add_task(name, file, entry.cfg)

    def _add_task(self, name: str, file: str, config: Mapping[str, Any]) -> None:
        data = (config.get("dataset_path") or "", config.get("dataset_name") or "")
        shape = shape_of(config, lacking(config), is_judged(config))
        numbers = self.datasets.setdefault(data, len(self.datasets)), self.shapes.setdefault(shape, len(self.shapes))
        self.tasks[name] = [file, *numbers]

    def _members(self, group: str, members: Sequence[str | Mapping[str, Any]]) -> Iterator[str]:
        """Yield the names of a group's members; add those that it defines in place."""
        for member in members:
            name = member if isinstance(member, str) else member.get("group") or member.get("task", "")
            if name and not isinstance(member, str) and name not in self.entries:
                name = f"{group}::{name}"
                if "group" in member:
                    self.groups[name] = ["", list(self._members(name, member["task"]))]
                else:
                    self._add_task(name, "", member)
            if name in self.entries or "::" in name:
                yield name


def make_index(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the index of lm-eval's entries as plain data: see stages/formats/benchmarks/index.py."""
    maker = _Maker(entries)
    for name in sorted(name for name, entry in entries.items() if entry.kind != Kind.TAG):
        maker.add(name, entries[name])
    return {
        "harness": version("lm_eval"),
        "datasets": list(maker.datasets),
        "shapes": list(maker.shapes),
        "tasks": maker.tasks,
        "groups": maker.groups,
        "tags": {name: sorted(entry.tags) for name, entry in sorted(entries.items()) if entry.kind == Kind.TAG},
    }


def lacking(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages and metrics that a task needs and that are not installed."""
    metrics = [each for each in config.get("metric_list") or () if isinstance(each["metric"], str)]
    unknown = () if config.get("process_results") else _unknown_metrics(metrics)
    missing = (package for module in _modules(config) for package in _missing_packages(module))
    return tuple(sorted({*unknown, *missing}))


def is_judged(config: Mapping[str, Any]) -> bool:
    """Return whether all code of a task asks the metric `code_eval` to run the model's output."""
    modules = _modules(config)
    return bool(modules) and all("code_eval" in module.read_text(encoding="utf-8") for module in modules)


def _modules(config: Mapping[str, Any]) -> set[Path]:
    """Return the modules of a task's functions."""
    paths = (Path(f"{text.rpartition('.')[0]}.py") for text in _texts(config) if text.startswith(f"{ROOT}/"))
    return {path for path in paths if path.is_file()}


def _unknown_metrics(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return metrics that lm-eval has not: it would download them. A function is named by its path."""
    return [
        f"metric {each['metric']}"
        for each in metrics
        if each.get("hf_evaluate") or (each["metric"] not in METRIC_REGISTRY and "/" not in each["metric"])
    ]


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value: of a YAML file whose functions are not resolved, `<path of module>.<function>`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


@functools.cache
def _missing_packages(module: Path) -> frozenset[str]:
    """Return the packages that a task's module cannot be imported without, and that are not installed."""
    found: set[str] = set()
    for name in _required(ast.parse(module.read_text(encoding="utf-8")).body):
        own = ROOT.parent.parent / f"{name.replace('.', '/')}.py"
        if name.startswith("lm_eval.tasks.") and own.is_file():
            found |= _missing_packages(own)
        elif importlib.util.find_spec(name.partition(".")[0]) is None and not _is_beside(name, module):
            found.add(name.partition(".")[0])
    return frozenset(found)


def _is_beside(name: str, module: Path) -> bool:
    beside = module.parent / name.partition(".")[0]
    return beside.with_suffix(".py").is_file() or beside.is_dir()


def _required(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the modules that these statements import; those in a `try` only if its handlers raise."""
    for each in body:
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom) and each.module and not each.level:
            yield each.module
        elif isinstance(each, ast.Try) and any(
            isinstance(step, ast.Raise) for handler in each.handlers for step in handler.body
        ):
            yield from _required(each.body)


if __name__ == "__main__":
    write_index(make_index(TaskManager().task_index), INDEX)
