"""The record of a run, run.json, and the user whom the run belongs to.

A run acts as its owner: its cluster settings set variables and shell lines, its code runs in jobs. Another user's run
can be looked at; nothing of it is executed, and nothing of it enters the environment. Group mode (`shared` in the
cluster file) lets colleagues act on a run: each with the cluster file and the code of their own.
"""

from __future__ import annotations

import os
import pwd
import secrets
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster, known_clusters
from jobs.plan.recipe import Recipe, make_recipe
from jobs.plan.validation import validated
from stages.shared.errors import ConfigError, DataError, StagecoachError
from stages.shared.files import read_json

FORMAT = 3
"""Of run.json, the ledger and the folders of steps. 3: a run's id, and marks that list files; 2: units with their own
identity; 1: shards of a step."""
REMEDY = "The `run` command that made it writes it again, with the same --name"


class _Shape(BaseModel):
    """What is read of a record. Records of earlier versions lack the later fields."""

    recipe: dict[str, Any]
    cluster: dict[str, Any]
    files: dict[str, list[tuple[Any, list[tuple[str, str, float, list[str]]]]]]
    id: str
    owner: int = 0
    command: list[str] = []
    parts: dict[str, dict[str, int]] = {}
    folder: str = ""


def new_id() -> str:
    """Return an id for a new run: it names the run in the comments of its Slurm jobs."""
    return secrets.token_hex(6)


def make_record(
    run_id: str, name: str, recipe: Recipe, cluster: Cluster, files: Mapping[str, Any], words: Sequence[str]
) -> dict[str, Any]:
    """Return the record of a run of this user: what looking at it later needs, and the words of its `run` command."""
    return {
        "format": FORMAT,
        "id": run_id,
        "name": name,
        "owner": os.geteuid(),
        "created": time.time(),
        "command": list(words),
        "folder": str(Path.cwd()),
        "recipe": recipe.values,
        "cluster": cluster.model_dump(mode="json"),
        "files": files,
    }


def read_record(paths: RunPaths) -> dict[str, Any]:
    """Return a run's record. Raises DataError for one that is damaged, ConfigError for one of another format."""
    try:
        record = read_json(paths.run_json)
    except ValueError as error:
        raise DataError(paths.run_json, "not the record of a run", REMEDY) from error
    if not isinstance(record, dict) or "recipe" not in record:
        raise DataError(paths.run_json, "not the record of a run", REMEDY)
    if (found := record.get("format", 1)) != FORMAT:
        raise ConfigError(
            f"{paths.run_json}: format",
            found,
            f"{FORMAT}: another version of Stagecoach made this run. Use that version, or start anew with --name",
        )
    try:
        _Shape.model_validate(record)
    except ValidationError as error:
        part = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(paths.run_json, f"{part} is damaged", REMEDY) from error
    return record


def recipe_of(paths: RunPaths, record: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a run. Raises DataError if this version of Stagecoach takes no such recipe."""
    try:
        return make_recipe(record["recipe"])
    except (ConfigError, KeyError) as error:
        raise DataError(paths.run_json, f"its recipe is not valid ({error})", REMEDY) from error


def owner_of(paths: RunPaths, record: Mapping[str, Any] | None = None) -> int:
    """Return the user id of a run's owner. A run that another user has a hand in is that user's.

    The folder, a link to it and the record must all be this user's, and the record must say so: none of them alone can
    be trusted where others may write.
    """
    if not os.path.lexists(paths.root):
        return os.geteuid()
    found = [os.lstat(paths.root).st_uid, paths.root.stat().st_uid]
    if paths.run_json.is_file():
        found.append(os.lstat(paths.run_json).st_uid)
    if isinstance(said := (record or {}).get("owner"), int):
        found.append(said)
    return next((uid for uid in found if uid != os.geteuid()), os.geteuid())


def user_name(uid: int) -> str:
    """Return the login name of a user, or the number of one that has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def cluster_of(paths: RunPaths, record: Mapping[str, Any]) -> Cluster:
    """Return the cluster of a run. Of another user's run: the caller's own cluster file if both have group mode, else
    the record's without all that could be executed here.
    """
    cluster = validated(Cluster, record["cluster"], str(paths.run_json))
    if owner_of(paths, record) == os.geteuid():
        return cluster
    if cluster.shared:
        for own in known_clusters():
            if own.name == cluster.name and own.shared:
                return own
    nothing: dict[str, Any] = {
        "environment": {},
        "setup": (),
        "srun_args": (),
        "sbatch": {},
        "python": None,
        "testbed": False,
    }
    return cluster.model_copy(update={**nothing, "shared": False})


def require_own(paths: RunPaths, cluster: Cluster, owner: int) -> None:
    """Raise StagecoachError if this user may not act on a run: it is another's, or others may change it unasked."""
    if owner != os.geteuid() and not cluster.shared:
        raise StagecoachError(
            f"{paths.root} belongs to {user_name(owner)}, and you are {user_name(os.geteuid())}: `status`, `logs` and "
            f"`tune` show it, other verbs are {user_name(owner)}'s. Take another --name for a run of your own"
        )
    writable = stat.S_IWOTH | (0 if cluster.shared else stat.S_IWGRP)
    if paths.root.exists() and paths.root.stat().st_mode & writable:
        raise StagecoachError(
            f"{paths.root}: others may write in this run. Take that right away (`chmod go-w`), or set `shared: true` "
            "in the cluster file for a run of the whole group"
        )
