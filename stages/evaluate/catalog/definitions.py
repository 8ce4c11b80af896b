"""Own definitions of tasks and variants: which files a cell reads, by their names alone, and what they hold. Light.

    mine.yaml           the task `mine`, in lm-eval's format; `mine_*.yaml` are members of its group, if it is one
    mine@cloze.yaml     the variant `cloze` of the task `mine`, or of lm-eval's task of that name: keys that differ
    mine.jsonl          data of `mine`, named by its `dataset_kwargs: {data_files: {test: mine.jsonl}}`
    _base.yaml utils.py what several of them include or call

Shipped variants have the same names, in stages/evaluate/variants.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.formats.benchmarks.index import read_index, shape_of
from stages.shared.errors import ConfigError, DataError

VARIANTS = Path(__file__).parent.parent / "variants"
YAML = (".yaml", ".yml")
ROWS = ("json", "csv", "parquet", "arrow", "text")
"""Values of `dataset_path` that read the files of `data_files`."""
FORMAT = "Write it in lm-eval's format: https://github.com/EleutherAI/lm-evaluation-harness/tree/main/docs"


@functools.cache
def shipped_variants() -> Mapping[str, Path]:
    """Return the shipped variants by `<task>@<variant>`."""
    return {path.stem: path for path in sorted(VARIANTS.glob("*@*.yaml"))}


def defined(files: Iterable[Path]) -> dict[str, Path]:
    """Return the definitions among files, by name: `mine`, `mine@cloze`."""
    return {path.stem: path for path in files if path.suffix in YAML and not path.stem.startswith("_")}


def is_read(path: Path, task: str, variant: str, names: Iterable[str]) -> bool:
    """Return whether a cell reads a file of the definitions `names`: its own, its group's members', or a shared one."""
    mine = {task, with_variant(task, variant)} & set(names)
    owner = owner_of(path, names)
    return bool(mine) and (not owner or owner in mine or (task in mine and owner.startswith(f"{task}_")))


def owner_of(path: Path, names: Iterable[str]) -> str:
    """Return the definition after which a file is named; empty for a shared file."""
    stem = path.name.partition(".")[0]
    owners = [name for name in names if stem == name or stem.startswith((f"{name}_", f"{name}-", f"{name}@"))]
    return max(owners, key=len, default="")


def with_variant(task: str, variant: str) -> str:
    """Return the name of a variant's definition."""
    return f"{task}@{variant}" if variant else task


class _Loader(yaml.SafeLoader):
    """Reads YAML in which `!function module.name` is a text."""


def _name(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("!function", _name)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a definition, functions as their names. Raises DataError."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(path, f"no YAML ({str(error).splitlines()[0]})", FORMAT) from error
    if not isinstance(content, dict):
        raise DataError(path, "no mapping", FORMAT)
    return content


def check_definitions(files: Sequence[Path]) -> None:
    """Raise DataError for a definition that cannot work, ConfigError for a variant of nothing. Reads the YAML files."""
    own, names = defined(files), {file.name for file in files}
    for name, path in own.items():
        task, _, variant = name.partition("@")
        if variant and task not in own and task not in read_index():
            raise ConfigError("definitions", str(path), f"a variant of a task that exists; {task!r} is none")
        content = read_yaml(path)
        _check(path, content, name, names)
        for member in content["task"] if isinstance(content.get("task"), list) else ():
            if isinstance(member, str) and member not in own:
                remedy = "Define it beside the group, or name tasks of lm-eval in `tasks`"
                raise DataError(path, f"a group of {member!r}, which is not among `definitions`", remedy)


def _check(path: Path, content: Mapping[str, Any], name: str, names: set[str]) -> None:
    if "@" not in name and name not in (content.get("task"), content.get("group")):
        raise DataError(path, f"defines no task {name!r}", f"Name the file after its `task`, or set `task: {name}`")
    if shape_of(content).code:
        raise DataError(path, "runs the model's output as code, and there is no jail for it", "Remove `unsafe_code`")
    rows = content.get("dataset_path")
    if rows and rows not in ROWS:
        remedy = f"Read rows beside it (`dataset_path: json`), or name it <task>@{name}.yaml, as a variant of a task"
        raise DataError(path, f"opens {rows} on the network", remedy)
    files = (content.get("dataset_kwargs") or {}).get("data_files") or {}
    for file in data_files(files):
        if file not in names:
            raise DataError(path, f"reads {file}, which is not among `definitions`", "Name the file there, too")


def data_files(value: Any) -> list[str]:
    """Return the files in a value of `data_files`: a name, a list, or a mapping from split to these."""
    if isinstance(value, str):
        return [value]
    return [name for each in (value.values() if isinstance(value, Mapping) else value) for name in data_files(each)]
