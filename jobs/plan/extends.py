"""`extends:` in recipes: a recipe file plus the files it extends, merged into one mapping.

`extends` names a recipe of jobs/recipes, or a .yaml file relative to the file that says it. Mappings are merged key by
key; every other value replaces the extended one. null removes what the extended recipe says under that key: a section,
or a setting, which then has its default. `name` and `about` are a file's own.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.plan.yaml_file import load_mapping
from stages.shared.errors import ConfigError, nearest

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
EXTENDS = "extends"
OWN = ("name", "about", EXTENDS)
"""Keys that are not inherited."""


@dataclass(frozen=True)
class RecipeFile:
    """One recipe file as written."""

    path: Path
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name by which another recipe extends this one."""
        return self.path.stem


def known_recipes() -> list[str]:
    """Return the names of the recipes that ship in jobs/recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_chain(name: str) -> list[RecipeFile]:
    """Return the recipe called `name`, or at that path, and those it extends, nearest first.

    Raises ConfigError for an unknown recipe and for a circle, DataError for a file that is no recipe.
    """
    chain = [_load(name, Path(), "recipe")]
    while (extended := chain[-1].values.get(EXTENDS)) is not None:
        child = chain[-1].path
        setting = f"{child}: {EXTENDS}"
        if not isinstance(extended, str):
            raise ConfigError(setting, extended, "the name of one recipe, or a path to one")
        chain.append(_load(extended, child.parent, setting))
        paths = [file.path.resolve() for file in chain]
        if paths[-1] in paths[:-1]:
            circle = " -> ".join(file.name for file in chain)
            raise ConfigError(setting, extended, f"a recipe that does not extend this one ({circle})")
    return chain


def _load(name: str, folder: Path, setting: str) -> RecipeFile:
    path = folder / name if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    if not path.is_file():
        wanted = f"a path to a .yaml file or a recipe of jobs/recipes; {nearest(name, known_recipes())}"
        raise ConfigError(setting, name, wanted)
    return RecipeFile(path, load_mapping(path, "sections"))


def merged_values(chain: Sequence[RecipeFile]) -> dict[str, Any]:
    """Return the values of a chain as one mapping, without `extends`."""
    values: dict[str, Any] = {}
    for file in reversed(chain):
        inherited = {key: value for key, value in values.items() if key not in OWN}
        values = _merge(inherited, file.values)
    values.pop(EXTENDS, None)
    values["name"] = values.get("name") or chain[0].name
    return copy.deepcopy(values)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if value is None and key in below:
            del merged[key]
        elif isinstance(value, Mapping) and isinstance(below.get(key), Mapping):
            merged[key] = _merge(below[key], value)
        else:
            merged[key] = value
    return merged


def inherited_settings(
    chain: Sequence[RecipeFile], values: Mapping[str, Any], overridden: Collection[str]
) -> dict[str, str]:
    """Return the recipe that each part of `values` is inherited from: by section if it is whole, else by setting.

    `overridden` are the settings, as `section.setting`, that the command line sets.
    """
    found: dict[str, str] = {}
    for section, body in values.items():
        if not isinstance(body, Mapping):
            continue
        origins = {
            setting: next((file for file in chain if setting in _body(file.values, section)), chain[0]).name
            for setting in body
            if f"{section}.{setting}" not in overridden
        }
        inherited = {setting: origin for setting, origin in origins.items() if origin != chain[0].name}
        if len(inherited) == len(body) and len(set(inherited.values())) == 1:
            found[section] = next(iter(inherited.values()))
        else:
            found |= {f"{section}.{setting}": origin for setting, origin in inherited.items()}
    return found


def _body(values: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    body = values.get(section)
    return body if isinstance(body, Mapping) else {}
