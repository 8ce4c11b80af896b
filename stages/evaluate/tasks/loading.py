"""Loads lm-eval's tasks and own definitions: the files of the named tasks alone, of lm-eval's 14,000."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jinja2
import lm_eval.tasks
import lm_eval.utils
from datasets import config as datasets_config
from lm_eval.api.task import Task as HarnessTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._factory import TaskFactory
from lm_eval.tasks._index import Entry, Kind
from lm_eval.tasks._yaml_loader import load_yaml

from stages.evaluate.catalog.checks import check_jail, code_refused, has_code, lacks_examples
from stages.evaluate.catalog.definitions import data_files, defined, shipped_variants, with_variant
from stages.evaluate.cells import Cell
from stages.evaluate.code_eval import jailed
from stages.evaluate.tasks.prompts import guard_prompts
from stages.evaluate.tasks.repeats import score_every_text
from stages.formats.benchmarks.index import Index, read_index
from stages.shared.errors import ConfigError, StagecoachError

ROOT = Path(lm_eval.tasks.__file__).parent
UNOPENED = {"training_split": None, "fewshot_split": None}
"""Keys of a task without the split of solved examples, which lm-eval opens even for 0 shots."""
PROTOCOL = "protocol"
"""Our key in the YAML file of a variant: the protocol in a sentence, with its source."""
SUBMISSION = "submission"
"""Our other key: whether the answers go into a file that a benchmark's site takes."""


def load_cell(cell: Cell, definitions: Sequence[Path], datasets: Sequence[Path] = ()) -> dict[str, Any]:
    """Return a cell's task or group, in the shape that lm-eval's `evaluate` takes, with its shots and seed set.

    `datasets` are the folders of prepared data that `use_datasets` shows.

    Raises ConfigError or DataError for a task that cannot be loaded from the data at hand. Side effect: from now on
    lm-eval compiles each template once.
    """
    lm_eval.utils.apply_template = _apply_template
    own = defined(definitions)
    entries = {**registry(read_index()), **own_entries(own)}
    check_jail(cell)
    try:
        with jailed() if has_code(cell) else nullcontext():
            overrides = {
                key: value for key, value in read_variant(cell, own).items() if key not in (PROTOCOL, SUBMISSION)
            }
            overrides |= {} if cell.repeats is None else {"repeats": cell.repeats}
            overrides |= UNOPENED if lacks_examples(cell, datasets) else {}
            built = TaskFactory().build(entries[cell.task], overrides=overrides, registry=entries)
            loaded = TaskManager(include_defaults=False).load(built if isinstance(built, list) else [built])
    except StagecoachError:
        raise
    except Exception as error:  # its templates and functions may raise anything
        raise _cannot_load(cell, error) from error
    for name, task in loaded["tasks"].items():
        if getattr(task, "UNSAFE_CODE", False) and not has_code(cell):
            raise code_refused(name)
        for method in ("fewshot_context", "construct_requests", "process_results"):
            _in_one_sentence(task, method, cell)
        _set_fewshot(task, cell)
        guard_prompts(task, cell.seed)
        score_every_text(task)
    return dict(loaded)


def _apply_template(template: str, doc: Mapping[str, Any]) -> str:
    return _compiled(template).render(**doc)


@functools.lru_cache(maxsize=1024)
def _compiled(template: str) -> jinja2.Template:
    """Return lm-eval's own template. lm-eval compiles it at every use: 2 of 3 seconds that prompts and scores take."""
    compiled: jinja2.Template = lm_eval.utils.env.from_string(template)
    return compiled


def read_variant(cell: Cell, own: Mapping[str, Path]) -> dict[str, Any]:
    """Return the keys in which a cell's variant differs from its task."""
    if not cell.variant:
        return {}
    name = with_variant(cell.task, cell.variant)
    content: dict[str, Any] = load_yaml(own.get(name) or shipped_variants()[name])
    return content


def protocol_of(cell: Cell, definitions: Sequence[Path]) -> str:
    """Return the protocol of a cell's variant in a sentence; empty if it says none."""
    return str(read_variant(cell, defined(definitions)).get(PROTOCOL, ""))


def is_submitted(cell: Cell, definitions: Sequence[Path]) -> bool:
    """Return whether the answers to a cell go into a submission file."""
    return bool(read_variant(cell, defined(definitions)).get(SUBMISSION))


def registry(index: Index) -> dict[str, Entry]:
    """Return lm-eval's own table of names, without reading its files."""
    tasks = {
        name: Entry(name, Kind.PY_TASK if shape.free else Kind.TASK, ROOT / file)
        for name, (file, _, shape) in index.tasks.items()
        if file
    }
    groups = {name: Entry(name, Kind.GROUP, ROOT / file) for name, (file, _) in index.groups.items() if file}
    tags = {name: Entry(name, Kind.TAG, None, tags=set(members)) for name, members in index.tags.items()}
    return {**tasks, **groups, **tags}


def own_entries(own: Mapping[str, Path]) -> dict[str, Entry]:
    """Return the table of own definitions, whose data files lie where `definitions` says."""
    found = {}
    for name, path in own.items():
        content = load_yaml(path)
        kwargs = content.get("dataset_kwargs") or {}
        if files := kwargs.get("data_files"):
            content["dataset_kwargs"] = {**kwargs, "data_files": _absolute(files, path.parent)}
        found[name] = Entry(name, Kind.GROUP if "group" in content else Kind.TASK, None, cfg=content)
    return found


def _absolute(files: Any, folder: Path) -> Any:
    if isinstance(files, Mapping):
        return {split: _absolute(each, folder) for split, each in files.items()}
    return [str(folder / name) for name in data_files(files)]


def use_datasets(home: Path, folders: Sequence[Path]) -> None:
    """Show `datasets` these folders of prepared data and no others.

    Side effect: links them below `home`, and sets the cache folder of `datasets` in this process.
    """
    for folder in folders:
        link = home.joinpath("datasets", *folder.parts[-4:])
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(folder)
    datasets_config.HF_DATASETS_CACHE = home / "datasets"


def _set_fewshot(task: HarnessTask, cell: Cell) -> None:
    """Set number and seed of examples as lm-eval's command line does: a task with a fixed zero keeps zero."""
    fixed = task.get_config("num_fewshot")
    if cell.num_fewshot is not None and fixed != 0:
        task.set_config(key="num_fewshot", value=cell.num_fewshot)
    elif fixed is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=cell.seed)


def _in_one_sentence(task: HarnessTask, method: str, cell: Cell) -> None:
    """Make a method of a task, which runs the definition's own code, raise ConfigError. Side effect: changes `task`."""
    call = getattr(task, method)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except StagecoachError:
            raise
        except Exception as error:  # the definition's templates and functions may raise anything
            wanted = f"a task that can make its prompts and score its answers ({_first_line(error)})"
            raise ConfigError("tasks", cell.name, wanted) from error

    setattr(task, method, guarded)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]


def _cannot_load(cell: Cell, error: Exception) -> ConfigError:
    """Return one sentence about an error of lm-eval or `datasets` while they load a task."""
    wanted = (
        "a task that loads from data on this machine, because evaluation has no network: `datasets` names its folders "
        f"({_first_line(error)})"
    )
    return ConfigError("tasks", cell.name, wanted)
