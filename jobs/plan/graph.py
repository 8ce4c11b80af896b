"""Recipe -> graph of jobs with shards, inputs and fingerprints. Pure, but for the two functions it is handed.

A job's fingerprint is what changes its bytes: the stage and step, their declared code version, the settings the step
uses, and the identity of what it reads. Node, path, partition, worker count and array shape are not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.recipe import Recipe
from jobs.plan.validation import validated
from stages.shared.contract import FROM, InputFile, Reads, StageConfig, StagePlan, Step, shard_dir
from stages.shared.errors import ConfigError, nearest

Expand = Callable[[Any, str, Reads], tuple[InputFile, ...]]
Identify = Callable[[InputFile], list[str]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One step of one section: what will be one or more job arrays."""

    name: str
    section: str
    config: StageConfig
    step: Step
    fingerprint: str
    needs: tuple[str, ...]
    """Jobs whose every shard must be done first."""
    inputs: Mapping[str, tuple[InputFile, ...]]
    steps: Mapping[str, Path]
    resources: Resources
    identity: Mapping[str, Any]
    """What the fingerprint digests, kept to say why a job must run again."""


@dataclass(frozen=True)
class Graph:
    """The jobs of a run in an order in which each comes after what it needs."""

    jobs: Mapping[str, Job]

    def downstream(self, name: str) -> tuple[str, ...]:
        """Return all jobs that wait for `name`, directly or not, in order."""
        found: set[str] = {name}
        for job in self.jobs.values():
            if found & set(job.needs):
                found.add(job.name)
        return tuple(job for job in self.jobs if job in found - {name})


def build_graph(recipe: Recipe, cluster: Cluster, run: RunPaths, expand: Expand, identify: Identify) -> Graph:
    """Return the jobs that the recipe's targets need.

    `expand` turns a path or glob into files and `identify` gives a file's identity: they read the disk, this does not.
    Raises ConfigError for references that lead nowhere or in a circle.
    """
    builder = _Builder(recipe, cluster, run, expand, identify)
    for target in recipe.targets:
        builder.section(target, ())
    for name, body in recipe.resources.items():
        section = name.partition(".")[0]
        if section in builder.plans and name != section and name not in builder.jobs:
            raise ConfigError(f"resources.{name}", body, f"a job of this recipe; {nearest(name, list(builder.jobs))}")
    return Graph(builder.jobs)


def job_name(section: str, step: str) -> str:
    """Return `web.filter`, or `tokenizer` for a stage of one step."""
    return f"{section}.{step}" if step else section


class _Builder:
    def __init__(self, recipe: Recipe, cluster: Cluster, run: RunPaths, expand: Expand, identify: Identify) -> None:
        self.recipe, self.cluster, self.run, self.expand, self.identify = recipe, cluster, run, expand, identify
        self.jobs: dict[str, Job] = {}
        self.plans: dict[str, StagePlan] = {}

    def section(self, name: str, above: tuple[str, ...]) -> StagePlan:
        """Add a section's jobs after those it reads from; returns its plan."""
        if name in above:
            raise ConfigError(name, FROM + name, f"no circle, but it reads itself: {' -> '.join([*above, name])}")
        if name in self.plans:
            return self.plans[name]
        config = self.recipe.sections[name]
        inputs: dict[str, tuple[InputFile, ...]] = {}
        identities: dict[str, list[Any]] = {}
        needs: dict[str, tuple[str, ...]] = {}
        for field, reads in input_fields(config).items():
            value = getattr(config, field)
            if value is None:
                continue
            setting = f"{name}.{field}"
            if isinstance(value, str) and value.startswith(FROM):
                inputs[field], identities[field], needs[field] = self._from(value, setting, reads.kind, (*above, name))
            else:
                inputs[field], needs[field] = self.expand(value, setting, reads), ()
                identities[field] = [self.identify(file) for file in inputs[field]]
        plan = config.plan(inputs)
        self.plans[name] = plan
        for step in plan.steps:
            self._add(name, config, step, inputs, identities, needs)
        return plan

    def _from(
        self, value: str, setting: str, kind: str, above: tuple[str, ...]
    ) -> tuple[tuple[InputFile, ...], list[Any], tuple[str, ...]]:
        upstream = value.removeprefix(FROM)
        if upstream not in self.recipe.sections:
            raise ConfigError(
                setting, value, f"a section of this recipe; {nearest(upstream, list(self.recipe.sections))}"
            )
        outputs = self.section(upstream, above).outputs
        chosen = [output for output in outputs if output.kind == kind]
        if not chosen:
            kinds = ", ".join(sorted({output.kind for output in outputs}))
            raise ConfigError(setting, value, f"a section that gives {kind}; {upstream} gives {kinds}")
        names = {output.step: job_name(upstream, output.step) for output in chosen}
        jobs = {step: self.jobs[name] for step, name in names.items()}
        folders = {step: self.run.step(job.name, job.fingerprint).root for step, job in jobs.items()}
        files, identity = [], []
        for output in chosen:
            path = shard_dir(folders[output.step], output.shard) / output.name
            files.append(InputFile(path, output.source, output.mb, count=output.count))
            identity.append([jobs[output.step].fingerprint, output.shard, output.name, output.source])
        return tuple(files), identity, tuple(names.values())

    def _add(
        self,
        section: str,
        config: StageConfig,
        step: Step,
        inputs: Mapping[str, tuple[InputFile, ...]],
        identities: Mapping[str, list[Any]],
        needs: Mapping[str, tuple[str, ...]],
    ) -> None:
        name = job_name(section, step.name)
        values = used_settings(config, step.uses)
        earlier = [self.jobs[job_name(section, other)] for other in step.after]
        identity = {
            "stage": config.stage,
            "step": step.name,
            "version": step.version,
            **({"data": step.data} if step.data else {}),
            "config": values,
            "inputs": {field: identities[field] for field in step.reads if field in identities},
            "after": [job.fingerprint for job in earlier],
        }
        read_from = [job for field in step.reads for job in needs.get(field, ())]
        self.jobs[name] = Job(
            name=name,
            section=section,
            config=config,
            step=step,
            fingerprint=hashlib.sha256(canonical(identity).encode()).hexdigest(),
            needs=tuple(dict.fromkeys([*(job.name for job in earlier), *read_from])),
            inputs={field: inputs[field] for field in step.reads if field in inputs},
            steps={
                other: self.run.step(job.name, job.fingerprint).root
                for other, job in zip(step.after, earlier, strict=True)
            },
            resources=self._resources(section, name, step),
            identity=identity,
        )

    def _resources(self, section: str, job: str, step: Step) -> Resources:
        defaults = self.cluster.shape(step.shape)
        overrides = {**(self.recipe.resources.get(section) or {}), **(self.recipe.resources.get(job) or {})}
        if step.ranks > 1:
            overrides["units_per_element"] = 1
        return validated(Resources, {**defaults.model_dump(), **overrides}, f"resources.{job}")


def input_fields(config: StageConfig) -> dict[str, Reads]:
    """Return the config's input fields with the kind of output each takes."""
    marked = (
        (name, [mark for mark in field.metadata if isinstance(mark, Reads)])
        for name, field in type(config).model_fields.items()
    )
    return {name: marks[0] for name, marks in marked if marks}


def used_settings(config: StageConfig, uses: Iterable[str]) -> dict[str, Any]:
    """Return the settings that `uses` names: whole fields, or single ones of a section as `section.setting`."""
    values = config.model_dump(mode="json")
    found: dict[str, Any] = {}
    for name in uses:
        section, _, setting = name.partition(".")
        found[name] = values[section][setting] if setting else values[section]
    return found


def canonical(value: Any) -> str:
    """Return the one JSON text of a value. Raises TypeError for what has none: never falls back to str()."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
