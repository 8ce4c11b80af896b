"""Settings of `benchmarks`: prepares the data of lm-eval's tasks from files on disk. A unit is one data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.benchmarks.families import FAMILIES, family_of, is_read
from stages.formats.benchmarks.index import DataSet, read_index
from stages.formats.benchmarks.layout import HASH, VERSION, folder_of
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step, Unit
from stages.shared.errors import ConfigError, nearest


class BenchmarksConfig(StageConfig):
    """Prepares data sets in the layout of the Hugging Face cache, with checksums and every split that a task opens."""

    stage: ClassVar[str] = "benchmarks"

    tasks: tuple[str, ...]
    """Tasks, groups or tags of lm-eval whose data is prepared."""
    files: Annotated[Inputs | None, Reads(KINDS.benchmark_files)] = None
    """Files of benchmarks by family: `piqa`, `siqa`, `arc`, `mmlu`, `gsm8k`, `mgsm`, `bbh`, `humaneval`. A mapping,
    such as `{piqa: /data/piqa/*}`."""
    carve: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Questions, by family, that become the split of solved examples where no file holds one; without it tasks have 0
    shots. Carved questions are evaluated no more, and scores differ from published ones."""
    harness_examples: bool = False
    """Whether MMLU's solved examples come from lm-eval's chain-of-thought prompts where no file holds them: 281 of the
    285 official ones, retyped."""
    seed: int = Field(default=0, ge=0)
    """Seed of the choice of carved questions."""
    fetch: bool = False
    """Whether to fetch data sets for which there are no files from the Hugging Face hub; the compute node needs a
    network."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return a step over the data sets of the tasks. Raises ConfigError for a task without files."""
        files = inputs.get("files", ())
        self._check(files)
        units, outputs = [], []
        for data in self._datasets():
            family = family_of(data)
            own = tuple(file for file in files if file.source == family and is_read(file.path, file.source, data))
            if not own and not self.fetch:
                raise self._no_files(data, family)
            key = "/".join(folder_of(data))
            units.append(Unit(key=key, inputs={"files": own}))
            name = f"datasets/{key}/{VERSION}/{HASH}"
            outputs.append(Output(step="", unit=key, kind=KINDS.datasets, source=data.path, name=name))
        step = Step(
            name="",
            run="stages.benchmarks.run:run",
            units=tuple(units),
            uses=("carve", "seed", "harness_examples"),
            reads=("files",),
            core_seconds=5.0,
            data=f"lm-eval {read_index().harness}",
        )
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def _datasets(self) -> list[DataSet]:
        found = (leaf.data for task in self.tasks for leaf in read_index().leaves(task) if leaf.data.path)
        return list(dict.fromkeys(found))

    def _check(self, files: tuple[InputFile, ...]) -> None:
        index = read_index()
        for task in self.tasks:
            if task not in index:
                raise ConfigError("tasks", task, f"a task of lm-eval; {index.near(task, ())}")
        if not self._datasets():
            raise ConfigError("tasks", list(self.tasks), "one or more tasks with a data set (for example [piqa])")
        for field, names in (("files", [file.source for file in files]), ("carve", list(self.carve))):
            for name in names:
                if name not in FAMILIES:
                    raise ConfigError(field, name, f"a mapping from families; {nearest(name, list(FAMILIES))}")

    def _no_files(self, data: DataSet, family: str | None) -> ConfigError:
        if family is None:
            wanted = f"tasks of {', '.join(FAMILIES)}, because {data} has no known files; or set `fetch: true`"
            return ConfigError("tasks", list(self.tasks), wanted)
        wanted = f"files of {data} under {family!r} (for example {{{family}: /data/{family}/*}}); or set `fetch: true`"
        return ConfigError("files", self.files, wanted)


Config = BenchmarksConfig
