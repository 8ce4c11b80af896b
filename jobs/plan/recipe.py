"""Recipe files: YAML and `--set` overrides -> a frozen, validated Recipe.

A recipe has `name`, `about`, `targets` and `resources`; every other key is a section. A section configures a stage: the
one it is named after, or the one in its `stage` key, so that a recipe may hold two pretrainings under two names.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jobs.plan.cluster import Resources
from jobs.plan.validation import validated
from stages.shared.contract import StageConfig
from stages.shared.errors import ConfigError, nearest

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
STAGES = Path(__file__).resolve().parents[2] / "stages"
ROOMS = ("model", "train")
"""Folders with settings that are no stages: what several stages share."""
HEADER = ("name", "about", "targets", "resources")


@dataclass(frozen=True)
class Recipe:
    """A whole journey, validated: section name -> stage configuration."""

    name: str
    about: str
    targets: tuple[str, ...]
    """Sections that must be finished; what they need comes along, what nobody needs is left out."""
    sections: Mapping[str, StageConfig]
    resources: Mapping[str, Mapping[str, Any]]
    """Overrides of the cluster's defaults, by section or by job name."""
    values: Mapping[str, Any]
    """The resolved YAML, to be kept with the run."""


def known_recipes() -> list[str]:
    """Return the names of the recipes that ship in jobs/recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def known_stages() -> list[str]:
    """Return the stages that a section can configure."""
    return sorted(path.parent.name for path in STAGES.glob("*/config.py") if path.parent.name not in ROOMS)


def read_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe called `name` in jobs/recipes, or at a path, with `--set` overrides applied.

    Raises ConfigError for an unknown recipe, key or value.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(
            "recipe", name, f"a path to a .yaml file or one of jobs/recipes; {nearest(name, known_recipes())}"
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(str(path), "not YAML", f"a recipe ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(str(path), type(values).__name__, "a mapping of sections")
    values.setdefault("name", path.stem)
    for override in overrides:
        apply_override(values, override)
    return make_recipe(values)


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set one `a.b=c` in the nested mapping `values`, in place; the value is read as YAML.

    Raises ConfigError if it is not of that form or leads through something that is not a mapping.
    """
    path, equals, text = override.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise ConfigError("--set", override, "section.key=value, such as pretrain.steps=100")
    here = values
    for key in keys[:-1]:
        if here.get(key) is None:
            here[key] = {}
        here = here[key]
        if not isinstance(here, dict):
            raise ConfigError("--set", override, f"a path through mappings, but {key!r} holds {here!r}")
    try:
        here[keys[-1]] = yaml.safe_load(text)
    except yaml.YAMLError:
        here[keys[-1]] = text


def make_recipe(values: Mapping[str, Any]) -> Recipe:
    """Return the validated Recipe of a parsed file. Raises ConfigError."""
    sections = {str(name): _section(name, body) for name, body in values.items() if name not in HEADER}
    targets = values.get("targets") or list(sections)
    targets = tuple([targets] if isinstance(targets, str) else targets)
    for target in targets:
        if target not in sections:
            raise ConfigError("targets", target, f"a section of this recipe; {nearest(str(target), list(sections))}")
    resources = values.get("resources") or {}
    if not isinstance(resources, dict):
        raise ConfigError("resources", resources, "a mapping from section or job to its resources")
    for name, body in resources.items():
        if name.partition(".")[0] not in sections:
            raise ConfigError(f"resources.{name}", body, f"a section of this recipe; {nearest(name, list(sections))}")
        validated(Resources, body or {}, f"resources.{name}")
    return Recipe(str(values["name"]), str(values.get("about", "")), targets, sections, resources, dict(values))


def _section(name: Any, body: Any) -> StageConfig:
    if not re.fullmatch(r"[\w-]+", str(name)):
        raise ConfigError("recipe", name, "section names of letters, digits, _ and -: they become names of folders")
    if not isinstance(body, dict):
        raise ConfigError(name, body, "a mapping of settings")
    stage = body.get("stage", name)
    if stage not in known_stages():
        raise ConfigError(
            name, stage, f"a section named after a stage, or with `stage:`; {nearest(str(stage), known_stages())}"
        )
    config: type[StageConfig] = importlib.import_module(f"stages.{stage}.config").Config
    return validated(config, {key: value for key, value in body.items() if key != "stage"}, name)
