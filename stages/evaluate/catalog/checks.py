"""Refuses cells that cannot work, on the login node: names, variants, code, packages, data, splits and shots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages.evaluate.catalog.definitions import defined, shipped_variants, with_variant
from stages.evaluate.cells import GENERATE, OURS, Cell
from stages.formats.benchmarks.index import DataSet, TaskInfo, read_index
from stages.formats.benchmarks.layout import find_dataset, splits_of
from stages.jail.jail import missing
from stages.shared.errors import ConfigError, DataError, nearest

LAYOUT = "(for example /data/hf/datasets/*/*/*/*)"
STAGE_DATA = "a section `benchmarks` writes them from files on disk (`datasets: from:benchmarks`)"


def check_cell(cell: Cell, datasets: Sequence[Path], definitions: Sequence[Path]) -> None:
    """Raise ConfigError for a cell that cannot work, as far as names tell. Pure."""
    if cell.is_ours:
        return
    index, own = read_index(), defined(definitions)
    if cell.task not in index and cell.task not in own:
        names = (*OURS, *(name for name in own if "@" not in name))
        raise ConfigError("tasks", cell.task, f"one of our tasks or one of lm-eval's; {index.near(cell.task, names)}")
    if cell.variant:
        _check_variant(cell, own)
    leaves = list(index.leaves(cell.task)) if cell.task not in own else []
    for leaf in leaves:
        _check_leaf(cell, leaf)
    missing = {leaf.data for leaf in leaves if not leaf.shape.free and find_dataset(leaf.data, datasets) is None}
    if missing:
        raise _missing(cell, sorted(missing), datasets)


def _check_variant(cell: Cell, own: Mapping[str, Path]) -> None:
    variants = [name.partition("@")[2] for name in (*shipped_variants(), *own) if name.startswith(f"{cell.task}@")]
    if cell.variant not in variants:
        wanted = nearest(cell.variant, variants) if variants else "it has none"
        raise ConfigError("tasks", with_variant(cell.task, cell.variant), f"a variant of {cell.task!r}; {wanted}")


def _check_leaf(cell: Cell, leaf: TaskInfo) -> None:
    shape = leaf.shape
    if shape.code and not shape.is_judged:
        raise code_refused(leaf.name)
    if shape.media:
        raise ConfigError("tasks", leaf.name, "a task of text alone: its questions have pictures or sound")
    if shape.lacks:
        wanted = f"a task whose packages are installed: it needs {', '.join(shape.lacks)}, and `evaluate` has none"
        raise ConfigError("tasks", leaf.name, wanted)
    if cell.num_fewshot and shape.shots == 0:
        raise ConfigError("tasks", cell.name, f"{leaf.name} with 0 shots: its definition allows no other number")
    if cell.num_fewshot and shape.samples is not None and cell.num_fewshot > shape.samples:
        raise too_many_shots(leaf.name, cell.num_fewshot, shape.samples)


def check_data(cell: Cell, datasets: Sequence[Path]) -> None:
    """Raise ConfigError or DataError for prepared data that lacks a split, or solved examples. Reads headers."""
    leaves = () if cell.is_ours else read_index().leaves(cell.task)
    for leaf in leaves:
        folder = find_dataset(leaf.data, datasets)
        if folder is None or leaf.shape.free:
            continue
        splits, shots = splits_of(folder), shots_of(cell, leaf)
        for split in leaf.shape.splits if shots else leaf.shape.splits[-1:]:
            if split not in splits:
                raise _missing_split(leaf.name, split, folder, splits)
        if shots and leaf.shape.pool:
            others = splits[leaf.shape.pool] - (leaf.shape.pool == leaf.shape.evaluated)
            if shots > others:
                raise too_many_shots(leaf.name, shots, others)


def needs_scores(cell: Cell) -> bool:
    """Return whether a cell asks for log probabilities of given texts; of own definitions it is not known."""
    if cell.is_ours:
        return cell.task != GENERATE
    return any(leaf.shape.output != "generate_until" and not leaf.shape.free for leaf in read_index().leaves(cell.task))


def shots_of(cell: Cell, leaf: TaskInfo) -> int:
    """Return the number of solved examples that a cell shows for one of its tasks."""
    return (leaf.shape.shots if cell.num_fewshot is None else cell.num_fewshot) or 0


def lacks_examples(cell: Cell, datasets: Sequence[Path]) -> bool:
    """Return whether the prepared data of a cell without shots has no split of solved examples, as it may."""
    leaves = [(leaf, find_dataset(leaf.data, datasets)) for leaf in read_index().leaves(cell.task)]
    return any(
        folder and leaf.shape.pool not in ("", *splits_of(folder)) and not shots_of(cell, leaf)
        for leaf, folder in leaves
    )


def needed_datasets(cell: Cell, datasets: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders of prepared data that a cell reads, in order."""
    leaves = () if cell.is_ours else read_index().leaves(cell.task)
    found = {find_dataset(leaf.data, datasets): None for leaf in leaves}
    return (folder for folder in found if folder is not None)


def _missing(cell: Cell, missing: Sequence[DataSet], datasets: Sequence[Path]) -> ConfigError:
    others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
    wanted = f"folders of prepared data with {missing[0]}{others}, which {cell.task!r} opens; {STAGE_DATA}"
    return ConfigError("datasets", [str(folder) for folder in datasets] or None, f"{wanted} {LAYOUT}")


def code_refused(task: str) -> ConfigError:
    """Return the error for a task that runs the model's output."""
    wanted = "a task that does not run the model's output as code outside a jail (HumanEval and MBPP run it in one)"
    return ConfigError("tasks", task, wanted)


def has_code(cell: Cell) -> bool:
    """Return whether a cell runs what the model writes."""
    return not cell.is_ours and any(leaf.shape.code for leaf in read_index().leaves(cell.task))


def check_jail(cell: Cell) -> None:
    """Raise ConfigError for a cell that needs a jail, if this machine has none. Starts a process."""
    if has_code(cell) and (lack := missing()):
        raise ConfigError("tasks", cell.task, f"left out, since it runs what the model writes, and {lack}")


def too_many_shots(task: str, asked: int, available: int) -> ConfigError:
    """Return the error for more shots than there are."""
    return ConfigError("num_fewshot", asked, f"at most {available}: {task} has {available} solved examples")


def _missing_split(task: str, split: str, folder: Path, splits: Mapping[str, int]) -> DataError:
    remedy = f"Prepare the data again with all of its splits; {STAGE_DATA}"
    return DataError(folder, f"lacks the split {split!r}, which {task} opens (it has {', '.join(splits)})", remedy)
