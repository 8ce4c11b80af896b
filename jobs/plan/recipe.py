"""Recipe files: YAML and `--set` overrides -> a frozen, validated Recipe.

A recipe has `name`, `about`, `extends`, `targets`, `resources` and `rounds`; every other key is a section. A section
configures a stage: the one it is named after, or the one in its `stage` key, so that a recipe may hold two
pretrainings under two names. `extends` is in extends.py, a section's `matrix` in matrix.py, `rounds` in rounds.py.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.plan.cluster import Resources
from jobs.plan.extends import inherited_settings, load_chain, merged_values
from jobs.plan.matrix import expand
from jobs.plan.rounds import ROUNDS, expand_rounds
from jobs.plan.validation import string_wanted, validated
from jobs.plan.yaml_file import AmbiguousYamlError, parse_value
from stages.shared.contract import FROM, ReadsRun, StageConfig
from stages.shared.errors import ConfigError, nearest

STAGES = Path(__file__).resolve().parents[2] / "stages"
ROOMS = ("chats", "model", "train")
"""Folders with settings that are no stages: what several stages share."""
Swept = Mapping[str, Sequence[str]]
"""Names of a swept section's combinations, by section."""
HEADER = ("name", "about", "targets", "resources", ROUNDS)


@dataclass(frozen=True)
class Recipe:
    """A whole journey, validated: section name -> stage configuration."""

    name: str
    about: str
    targets: tuple[str, ...]
    """Sections that must be finished; the sections they need come along, all others are left out."""
    sections: Mapping[str, StageConfig]
    resources: Mapping[str, Mapping[str, Any]]
    """Overrides of the cluster's shapes, by section or by job."""
    values: Mapping[str, Any]
    """The resolved YAML, kept in the run's record: without `extends`, `matrix` and `rounds`."""
    inherited: Mapping[str, str] = field(default_factory=dict)
    """The recipe that a section, or a setting as `section.setting`, is inherited from. Not in a run's record."""


def known_stages() -> list[str]:
    """Return the stages that a section can configure: `web`, or `align.sft` for a stage in a folder with others."""
    folders = (
        path.parent.relative_to(STAGES).parts for depth in ("*", "*/*") for path in STAGES.glob(f"{depth}/config.py")
    )
    return sorted(".".join(parts) for parts in folders if parts[0] not in ROOMS)


def read_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe called `name` in jobs/recipes, or at a path, with `--set` overrides applied.

    Raises ConfigError for an unknown recipe, key or value, DataError for a file that is no recipe.
    """
    chain = load_chain(name)
    values = merged_values(chain)
    for override in overrides:
        apply_override(values, override)
    overridden = {".".join(override.partition("=")[0].split(".")[:2]) for override in overrides}
    return replace(make_recipe(values), inherited=inherited_settings(chain, values, overridden))


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set one `a.b=c` in the nested mapping `values`, in place; the value is read as YAML.

    Raises ConfigError for another form, an ambiguous value, and a path through a value that is no mapping.
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
        here[keys[-1]] = parse_value(text)
    except AmbiguousYamlError as error:
        raise ConfigError("--set", override, f"one clear value: {error}") from error


def make_recipe(values: Mapping[str, Any]) -> Recipe:
    """Return the validated Recipe of resolved values. Raises ConfigError."""
    bodies = {name: body for name, body in values.items() if name not in HEADER}
    repeated: dict[str, tuple[str, ...]] = {}
    if values.get(ROUNDS):
        bodies, repeated = expand_rounds(bodies, values[ROUNDS])
    bodies, combinations = expand(bodies)
    swept = _of_rounds(repeated, combinations)
    configs = {name: _config(name, body) for name, body in bodies.items()}
    bodies = {name: _reading_combinations(configs[name], body, swept) for name, body in bodies.items()}
    sections = {
        name: validated(configs[name], {key: value for key, value in body.items() if key != "stage"}, name)
        for name, body in bodies.items()
    }
    header = {name: values[name] for name in HEADER if name in values and name != ROUNDS}
    for name in ("name", "about"):
        if not isinstance(header.get(name) or "", str):
            raise ConfigError(name, header[name], string_wanted(header[name]))
    if header.get("targets"):
        header["targets"] = list(_targets(header["targets"], sections, swept))
    if header.get("resources"):
        header["resources"] = _resources(header["resources"], sections, swept)
    return Recipe(
        name=values["name"],
        about=values.get("about") or "",
        targets=tuple(header.get("targets") or sections),
        sections=sections,
        resources=header.get("resources") or {},
        values={**header, **bodies},
    )


def _of_rounds(repeated: Swept, swept: Swept) -> Swept:
    """Return the sections that a name stands for: the combinations of a swept one, and all rounds of a repeated one."""
    return {
        **swept,
        **{name: [one for each in found for one in swept.get(each, [each])] for name, found in repeated.items()},
    }


def _targets(asked: Any, sections: Mapping[str, Any], swept: Swept) -> Iterator[str]:
    """Yield the sections that the targets name; a swept section's name stands for all its combinations."""
    if not isinstance(asked, (str, list)):
        raise ConfigError("targets", asked, "a section, or a list of sections")
    for target in [asked] if isinstance(asked, str) else asked:
        found = swept.get(str(target), [str(target)])
        if not isinstance(target, str) or found[0] not in sections:
            raise ConfigError("targets", target, f"a section of this recipe; {nearest(str(target), list(sections))}")
        yield from found


def _resources(asked: Any, sections: Mapping[str, Any], swept: Swept) -> dict[str, dict[str, Any]]:
    """Return resources by section or job; what a swept section is given goes to all its combinations."""
    if not isinstance(asked, Mapping):
        raise ConfigError("resources", asked, "a mapping from section or job to its resources")
    found: dict[str, dict[str, Any]] = {}
    for name, body in sorted(_by_job(asked), key=lambda pair: pair[0].partition(".")[0] not in swept):
        section, dot, step = name.partition(".")
        for each in swept.get(section, [section]):
            if each not in sections:
                known = [*sections, *swept]
                raise ConfigError(f"resources.{name}", body, f"a section of this recipe; {nearest(section, known)}")
            validated(Resources, body, f"resources.{name}")
            job = each + dot + step
            found[job] = {**found.get(job, {}), **body}
    return found


def _by_job(asked: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield resources by section or job: `web.filter: {cpus: 2}` and `web: {filter: {cpus: 2}}` are the same.

    The nested form comes last, and so wins: it is that of `--set resources.web.filter.cpus=2`.
    """
    nested: list[tuple[str, dict[str, Any]]] = []
    for name, body in asked.items():
        if not isinstance(body or {}, Mapping):
            raise ConfigError(f"resources.{name}", body, "a mapping of resources, such as {cpus: 2}")
        steps = {key: value for key, value in (body or {}).items() if isinstance(value, Mapping)}
        yield name, {key: value for key, value in (body or {}).items() if key not in steps}
        nested += [(f"{name}.{step}", dict(value)) for step, value in steps.items()]
    yield from nested


def _reading_combinations(config: type[StageConfig], body: dict[str, Any], swept: Swept) -> dict[str, Any]:
    """Return a section's body with combinations in place of swept sections in its defaults and its lists of sections.

    What the body itself has as `from:NAME` is matrix.py's work.
    """
    made = dict(body)
    for setting, reads in config.input_fields().items():
        value = body.get(setting, config.model_fields[setting].default)
        if isinstance(reads, ReadsRun):
            named = [value] if isinstance(value, str) else value
            if isinstance(named, list) and all(isinstance(name, str) for name in named) and swept.keys() & set(named):
                made[setting] = [each for name in named for each in swept.get(name, [name])]
        elif isinstance(value, str) and (upstream := value.removeprefix(FROM)) != value and upstream in swept:
            made[setting] = {each: FROM + each for each in swept[upstream]}
    return made


def _config(name: str, body: Any) -> type[StageConfig]:
    """Return the class of a section's settings. Raises ConfigError for a section that names no stage."""
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError("recipe", name, "a section name of letters, digits, _ and -: it becomes a folder's name")
    if not isinstance(body, dict):
        raise ConfigError(name, body, "a mapping of settings")
    stage = body.get("stage", name)
    if stage not in known_stages():
        known = nearest(str(stage), known_stages())
        if "stage" in body:
            raise ConfigError(f"{name}.stage", stage, f"a stage; {known}")
        raise ConfigError(name, body, f"a section with a stage's name, or with `stage:`; {known}")
    config: type[StageConfig] = importlib.import_module(f"stages.{stage}.config").Config
    return config
