"""The graph of a run: recipe and cluster -> jobs, with their units, identities and needs. Pure, except `expand`.

A unit's identity is what changes its bytes: the stage and step, their declared code version, the settings that the unit
uses, its key, and the identity of what it reads. Node, path, partition, worker count and array shape are not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobs.paths import RunPaths, unit_folder
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.recipe import Recipe
from jobs.plan.validation import validated
from stages.shared.contract import (
    ALL,
    FROM,
    PARTS,
    SAME,
    Cost,
    InputFile,
    Kind,
    Output,
    Reads,
    ReadsRun,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    parts_of,
    whole_of,
)
from stages.shared.errors import ConfigError, nearest

RUN = "run"
"""Value of a ReadsRun field that stands for every section of the recipe."""


class External(NamedTuple):
    """A file from outside the run, and its identity: equal identities are equal content."""

    file: InputFile
    identity: list[str]


CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

Cut = Callable[["Job"], Mapping[str, int]]
"""Returns the number of parts of those units of a job that declare None, by folder."""

Expand = Callable[[Any, str, Reads], Sequence[External]]
"""Turns a path, glob, list or mapping of them into files; the setting's name is for errors. Reads the disk."""


class Need(NamedTuple):
    """What a unit waits for: a unit of a job, or one output that it publishes while it runs."""

    job: str
    folder: str
    output: str = ""

    @property
    def name(self) -> str:
        """Name under which `Run.look` lists it as done."""
        return f"{self.folder}/{self.output}" if self.output else self.folder


class Given(NamedTuple):
    """An input file with its identity and the unit that makes it, if one of the run does."""

    file: InputFile
    identity: list[str]
    need: Need | None = None


@dataclass(frozen=True, slots=True)
class PlannedUnit:
    """One unit of a job: the smallest thing that is done or not done."""

    key: str
    folder: str
    """Names the unit on disk: its key and its identity."""
    identity: str
    inputs: Mapping[str, tuple[InputFile, ...]]
    """Files that it reads and the job's other units may not, by input field."""
    needs: tuple[Need, ...]
    """What it waits for besides Job.needs."""
    core_seconds: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """One step of one section: one or more job arrays over its units."""

    name: str
    section: str
    config: StageConfig
    step: Step
    fingerprint: str
    """Digest of what all units have in common: stage, step, version and settings. Names the step's folder."""
    identity: Mapping[str, Any]
    """What the fingerprint digests, kept to explain why a job must run again."""
    units: Mapping[str, PlannedUnit]
    """By folder, in order."""
    inputs: Mapping[str, tuple[InputFile, ...]]
    """All files of each input field that the step reads."""
    needs: Mapping[str, frozenset[str]]
    """What every unit waits for: names of Need.name by job."""
    same: Mapping[str, str]
    """By earlier step that is read as SAME: its job."""
    whole: Mapping[str, str]
    """By earlier step that is read as ALL: its job."""
    parted: Mapping[str, str]
    """By earlier step that is read as PARTS: its job."""
    upstream: tuple[str, ...]
    """Jobs that any unit waits for."""
    resources: Resources
    costs: Mapping[str, Cost] = field(default_factory=dict)
    """The stage's estimates, not corrected, by folder; jobs/costs.py fills them in."""
    inputs_digest: str = ""
    """Digest of what the unit of a job of one unit reads: it says whether two trainings have the same data; empty for
    other jobs."""

    @property
    def roll(self) -> str:
        """Digest of the job's units in order: the identity of the step as a whole."""
        return digest([unit.identity for unit in self.units.values()])


@dataclass(frozen=True)
class Graph:
    """The jobs of a run, each after the jobs that it needs."""

    jobs: Mapping[str, Job]
    outputs: Mapping[str, tuple[Output, ...]]
    """Outputs by section."""

    def downstream(self, name: str) -> tuple[str, ...]:
        """Return all jobs that wait for `name`, directly or not, in order."""
        found: set[str] = {name}
        for job in self.jobs.values():
            if found & set(job.upstream):
                found.add(job.name)
        return tuple(job for job in self.jobs if job in found - {name})


def build_graph(recipe: Recipe, cluster: Cluster, run: RunPaths, expand: Expand, cut: Cut) -> Graph:
    """Return the jobs that the recipe's targets need.

    Raises ConfigError for references to what is not there and for circles.
    """
    builder = _Builder(recipe, cluster, run, expand, cut)
    for target in recipe.targets:
        builder.section(target, ())
    for name, body in recipe.resources.items():
        section = name.partition(".")[0]
        if section in builder.plans and name != section and name not in builder.jobs:
            raise ConfigError(f"resources.{name}", body, f"a job of this recipe; {nearest(name, list(builder.jobs))}")
    return Graph(builder.jobs, {name: plan.outputs for name, plan in builder.plans.items()})


def job_name(section: str, step: str) -> str:
    """Return `web.filter`, or `tokenizer` for a stage of one step."""
    return f"{section}.{step}" if step else section


class _Builder:
    def __init__(self, recipe: Recipe, cluster: Cluster, run: RunPaths, expand: Expand, cut: Cut) -> None:
        self.recipe, self.cluster, self.run, self.expand, self.cut = recipe, cluster, run, expand, cut
        self.jobs: dict[str, Job] = {}
        self.plans: dict[str, StagePlan] = {}
        self._units: dict[str, dict[str, PlannedUnit]] = {}
        """Units by job and key."""

    def section(self, name: str, above: tuple[str, ...]) -> StagePlan:
        """Add a section's jobs after those it reads from; return its plan."""
        if name in self.plans:
            return self.plans[name]
        config = self.recipe.sections[name]
        given: dict[str, list[Given]] = {}
        for setting, reads in config.input_fields().items():
            value = getattr(config, setting)
            if isinstance(reads, ReadsRun):
                given[setting] = list(self._of_run(value, f"{name}.{setting}", reads, (*above, name)))
            elif value is not None:
                given[setting] = list(self._given(value, f"{name}.{setting}", reads, (*above, name)))
        try:
            plan = config.plan({setting: tuple(each.file for each in found) for setting, found in given.items()})
        except ConfigError as error:
            raise error.within(name) from None
        for step in self._with_parts(name, config, plan.steps, given):
            self._add(name, config, step, given)
        self.plans[name] = plan
        return plan

    def _given(
        self, value: Any, setting: str, reads: Reads, above: tuple[str, ...], source: str = ""
    ) -> Iterator[Given]:
        """Yield the files behind a value: `from:`, a pattern, a list of these, or a mapping from source to these."""
        if isinstance(value, dict):
            for name, part in sorted(value.items()):
                yield from self._given(part, setting, reads, above, str(name))
        elif isinstance(value, list):
            for part in value:
                yield from self._given(part, setting, reads, above, source)
        elif value.startswith(FROM):
            yield from self._from(value, setting, reads.kind, above, source)
        else:
            for found in self.expand({source: value} if source else value, setting, reads):
                yield Given(found.file, found.identity)

    def _from(self, value: str, setting: str, kind: Kind, above: tuple[str, ...], source: str) -> Iterator[Given]:
        """Yield a section's outputs of a kind. A source name of a mapping replaces the outputs' own, see Inputs."""
        upstream = value.removeprefix(FROM)
        if upstream not in self.recipe.sections:
            known = list(self.recipe.sections)
            raise ConfigError(setting, value, f"a section of this recipe; {nearest(upstream, known)}")
        outputs = self._upstream(upstream, value, setting, above).outputs
        chosen = [output for output in outputs if output.kind == kind]
        if not chosen:
            kinds = ", ".join(sorted({output.kind.name for output in outputs}))
            raise ConfigError(setting, value, f"a section that gives {kind.name}; {upstream} gives {kinds}")
        several = len({(output.step, output.unit) for output in chosen}) < len(chosen)
        for output in chosen:
            name = f"{source}/{output.source}" if source and several and output.source else source
            yield self._output(upstream, output, name or output.source)

    def _of_run(self, value: Any, setting: str, reads: ReadsRun, above: tuple[str, ...]) -> Iterator[Given]:
        """Yield every output of certain kinds of the named sections, or of all that neither serve nor read a run."""
        sections = self.recipe.sections
        named = [value] if isinstance(value, str) else list(value)
        if named == [RUN]:
            named = [name for name, config in sections.items() if not (config.serves or _reads_run(config))]
        named.sort()  # the order of sections in a file is no part of an identity
        for name in named:
            if name not in sections:
                raise ConfigError(
                    setting, name, f"{RUN!r} or a section of this recipe; {nearest(name, list(sections))}"
                )
            for output in self._upstream(name, name, setting, above).outputs:
                if output.kind in reads.kinds:
                    yield self._output(name, output, output.source)

    def _upstream(self, name: str, value: Any, setting: str, above: tuple[str, ...]) -> StagePlan:
        """Return the plan of a section that a setting reads from. Raises ConfigError for a circle."""
        if name in above:
            circle = " -> ".join([*above[above.index(name) :], name])
            raise ConfigError(setting, value, f"a section that does not read from this one: {circle}")
        return self.section(name, above)

    def _output(self, section: str, output: Output, source: str) -> Given:
        """Return another section's output as an input file with its place, its identity and its maker."""
        job = self.jobs[job_name(section, output.step)]
        unit = self._units[job.name][output.unit]
        step = self.run.step(job.name, job.fingerprint)
        path = (step.published(unit.folder) if output.during else step.unit(unit.folder)) / output.file
        file = InputFile(
            path=path,
            source=source,
            mb=output.mb,
            count=output.count,
            kind=output.kind.name,
            section=section,
            unit=output.unit,
            unfit=output.unfit,
            about=output.about,
        )
        need = Need(job.name, unit.folder, output.file if output.during else "")
        return Given(file, [unit.identity, output.file, source], need)

    def _with_parts(
        self, section: str, config: StageConfig, steps: Sequence[Step], given: Mapping[str, Sequence[Given]]
    ) -> Iterator[Step]:
        """Yield the steps in order, those of parts with their units, without steps that have none.

        The jobs of all steps before one are there when it is asked for: its parts may depend on them.
        """
        wholes = {after.step: step for step in steps for after in step.after if after.units == PARTS}
        none: set[str] = set()
        for step in steps:
            units = self._shares(section, config, wholes[step.name], given) if step.name in wholes else step.units
            if step.name in wholes and not units:
                none.add(step.name)
                continue
            yield replace(step, units=units, after=tuple(after for after in step.after if after.step not in none))

    def _shares(
        self, section: str, config: StageConfig, whole: Step, given: Mapping[str, Sequence[Given]]
    ) -> tuple[Unit, ...]:
        """Return the parts of a step's units."""
        others = tuple(each for each in whole.after if each.units != PARTS)
        job = self._job(section, config, replace(whole, after=others), given)
        return tuple(_parts_of(job, self.cut(job)))

    def _add(self, section: str, config: StageConfig, step: Step, given: Mapping[str, Sequence[Given]]) -> None:
        job = self._job(section, config, step, given)
        self._units[job.name] = {unit.key: unit for unit in job.units.values()}
        self.jobs[job.name] = job

    def _job(self, section: str, config: StageConfig, step: Step, given: Mapping[str, Sequence[Given]]) -> Job:
        name = job_name(section, step.name)
        fields = {field: given[field] for field in step.reads if field in given}
        same, whole, parted = (
            {after.step: job_name(section, after.step) for after in step.after if after.units == mode}
            for mode in (SAME, ALL, PARTS)
        )
        identity = {
            "stage": config.stage,
            "step": step.name,
            "version": step.version,
            "data": step.data,
            "settings": used_settings(config, step.uses),
        }
        fingerprint = digest(identity)
        units = _Units(fingerprint, config, step, fields, [self.jobs[job].roll for job in whole.values()])
        for job in parted.values():
            _require_same_dependencies(name, step, self.jobs[job].step)
        parts = self._parts(parted)
        found = []
        for unit in step.units:
            fellows = [Fellow(each, job, self._units[job][unit.key]) for each, job in same.items()]
            found.append(units.planned(unit, fellows, parts.get(unit.key, ())))
        if len({unit.key for unit in found}) < len(found):
            raise ValueError(f"{name}: two units have one key")
        needs: dict[str, set[str]] = {job: set(self.jobs[job].units) for job in whole.values()}
        for need in units.common_needs:
            needs.setdefault(need.job, set()).add(need.name)
        own = {need.job for unit in found for need in unit.needs}
        return Job(
            name=name,
            section=section,
            config=config,
            step=step,
            fingerprint=fingerprint,
            identity=identity,
            units={unit.folder: unit for unit in found},
            inputs={field: tuple(each.file for each in files) for field, files in fields.items()},
            needs={job: frozenset(names) for job, names in needs.items()},
            same=same,
            whole=whole,
            parted=parted,
            upstream=tuple(job for job in self.jobs if job in needs or job in own),
            resources=self._resources(section, name, config, step, len(found)),
            inputs_digest=digest({field: [each.identity for each in files] for field, files in fields.items()})
            if len(found) == 1
            else "",
        )

    def _parts(self, parted: Mapping[str, str]) -> dict[str, list[Fellow]]:
        """Return the units of earlier steps that are parts, by the key of the whole."""
        found: dict[str, list[Fellow]] = {}
        for step, job in parted.items():
            for key, unit in self._units[job].items():
                found.setdefault(whole_of(key), []).append(Fellow(step, job, unit))
        return found

    def _resources(self, section: str, job: str, config: StageConfig, step: Step, units: int) -> Resources:
        defaults = self.cluster.shape(step.shape)
        overrides = {**(self.recipe.resources.get(section) or {}), **(self.recipe.resources.get(job) or {})}
        if step.ranks > 1:
            overrides["units_per_element"] = 1
        if not knows_costs(config):
            defaults = defaults.model_copy(update={"units_per_element": defaults.units_per_element or 1})
        asked = validated(Resources, {**defaults.model_dump(), **overrides}, f"resources.{job}")
        return self.cluster.shared_out(asked, units, step.ranks)


def _parts_of(job: Job, chosen: Mapping[str, int]) -> Iterator[Unit]:
    """Yield the parts of those units of a job that have several."""
    for unit, folder in zip(job.step.units, job.units, strict=True):
        count = chosen.get(folder, 1) if unit.parts is None else unit.parts
        if count > 1:
            yield from parts_of(unit, count)


def knows_costs(config: StageConfig) -> bool:
    """Return whether a stage knows what its units cost."""
    return type(config).costs is not StageConfig.costs


def _require_same_dependencies(name: str, step: Step, parts: Step) -> None:
    """Raise ValueError if the parts of a step's units depend on something that the units do not."""
    ours, theirs = ((set(each.uses), set(each.reads), each.version, each.data) for each in (step, parts))
    if ours != theirs:
        raise ValueError(f"{name}: depends on {ours}, and its parts on {theirs}; they are no part of its identity")


class Fellow(NamedTuple):
    """A unit of an earlier step of the same stage that one unit reads."""

    step: str
    job: str
    unit: PlannedUnit


class _Units:
    """Gives the units of one step their identities. What they have in common is digested once."""

    def __init__(
        self,
        fingerprint: str,
        config: StageConfig,
        step: Step,
        fields: Mapping[str, Sequence[Given]],
        rolls: Sequence[str],
    ) -> None:
        self._config, self._step = config, step
        divided = {field for unit in step.units for field in unit.inputs}
        common = {field: files for field, files in fields.items() if field not in divided}
        self._fields = {field: files for field, files in fields.items() if field in divided}
        self._given = {id(each.file): each for files in self._fields.values() for each in files}
        inputs = {field: [each.identity for each in files] for field, files in common.items()}
        self._start = hashlib.sha256(canonical([fingerprint, inputs, list(rolls)]).encode())
        self.common_needs = {each.need for files in common.values() for each in files if each.need}
        """What every unit waits for."""

    def planned(self, unit: Unit, fellows: Sequence[Fellow], shares: Sequence[Fellow]) -> PlannedUnit:
        """Return a unit with its identity, given the units of earlier steps that it alone reads, and its parts.

        A unit has the bytes that it has without parts: these are no part of its identity.
        """
        own = {field: self._own(unit, field) for field in self._fields}
        # Piece by piece, each with its name, and only what there is: most of 100,000 units have a key and a fellow.
        parts = [canonical(unit.key), *(f"{fellow.step}:{fellow.unit.identity}" for fellow in fellows)]
        if unit.uses:
            parts.append(f"uses:{canonical(used_settings(self._config, unit.uses))}")
        if unit.data:
            parts.append(f"data:{unit.data}")
        if own:
            files_of = {field: [each.identity for each in files] for field, files in own.items()}
            parts.append(f"inputs:{canonical(files_of)}")
        identity = self._start.copy()
        identity.update("\n".join(parts).encode())
        found = identity.hexdigest()
        needs = [Need(fellow.job, fellow.unit.folder) for fellow in (*fellows, *shares)]
        needs += dict.fromkeys([each.need for files in own.values() for each in files if each.need])
        return PlannedUnit(
            key=unit.key,
            folder=unit_folder(unit.key, found),
            identity=found,
            inputs={field: tuple(each.file for each in files) for field, files in own.items()},
            needs=tuple(needs),
            core_seconds=self._step.core_seconds if unit.core_seconds is None else unit.core_seconds,
        )

    def _own(self, unit: Unit, field: str) -> Sequence[Given]:
        if field not in unit.inputs:
            return self._fields[field]
        return [self._given[id(file)] for file in unit.inputs[field]]


def _reads_run(config: StageConfig) -> bool:
    return any(isinstance(reads, ReadsRun) for reads in config.input_fields().values())


def used_settings(config: StageConfig, uses: Iterable[str]) -> dict[str, Any]:
    """Return the settings that `uses` names: whole fields, or single ones of a section as `section.setting`."""
    found: dict[str, Any] = {}
    for name in uses:
        section, _, setting = name.partition(".")
        values = config.model_dump(mode="json", include={section})[section]
        found[name] = values[setting] if setting else values
    return found


def canonical(value: Any) -> str:
    """Return the one JSON text of a value. Raises TypeError for what has none: never falls back to str()."""
    return CANONICAL.encode(value)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical text, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def with_costs(job: Job, core_seconds: float, mem_mb: float) -> Job:
    """Return a job whose every unit takes so much, in place of the step's own estimates."""
    units = {name: replace(unit, core_seconds=core_seconds) for name, unit in job.units.items()}
    return replace(job, units=units, step=replace(job.step, core_seconds=core_seconds, mem_mb=mem_mb))
