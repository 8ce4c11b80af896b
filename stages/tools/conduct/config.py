"""Settings of `tools.conduct`: a controller answers requests by plans of tasks for experts (HuggingGPT).

index (with `search` alone: one) -> conduct (a unit a share of a file of requests)
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from stages.conductor.selection import Order
from stages.conductor.settings import (
    CONTROLLER_TASKS,
    FOLDER_TASKS,
    EndpointSettings,
    ExpertSettings,
    ToolName,
)
from stages.formats.kinds import KINDS
from stages.shared.contract import (
    WHOLE,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest
from stages.toolbox.memory import making_mb

PROMPTS = Path(__file__).resolve().parents[3] / "templates" / "prompts" / "conductor" / "en.yaml"
CONTROLLER = "controller"
REQUEST_SECONDS = 2.0


class ConductConfig(StageConfig):
    """Answers requests by plans of tasks for experts (HuggingGPT, arXiv:2303.17580)."""

    stage: ClassVar[str] = "tools.conduct"

    requests: Annotated[Inputs, Reads(KINDS.tool_requests)]
    controller: EndpointSettings
    """The model that plans, chooses experts and answers."""
    controller_tasks: tuple[str, ...] = CONTROLLER_TASKS
    """Tasks that the controller does itself where no expert does them."""
    offline: tuple[ToolName, ...] = ("calculator",)
    """Tools as experts. `calculator`: exact sums. `calendar`: the date `today`. `search`: BM25 over `corpus`."""
    today: datetime.date | None = None
    """The date that the calendar gives."""
    corpus: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents that `search` searches."""
    passage_words: int = Field(default=100, ge=1)
    """Words of a passage."""
    passages: int = Field(default=3, ge=1)
    """Passages that a search returns."""
    experts: dict[str, ExpertSettings] = Field(default_factory=dict)
    """Experts by name, each in `folders` or in `endpoints`."""
    folders: Annotated[Inputs | None, Reads(KINDS.release)] = None
    """Classifiers as transformers saves them, with safetensors, by the experts' names."""
    endpoints: dict[str, EndpointSettings] = Field(default_factory=dict)
    """Models with OpenAI's API by the experts' names: language models, and models that see or hear."""
    services: Annotated[Inputs | None, Reads(KINDS.endpoint)] = None
    """Services of the run, such as `{controller: from:serve, eyes: from:serve}`."""
    catalogue: Annotated[Inputs | None, Reads(KINDS.catalogue)] = None
    """Models by task, as JARVIS's `p0_models.jsonl` has them. Its order, likes, downloads and descriptions are those of
    experts with the same names."""
    order: Order = "list"
    """How candidates are ordered: as `catalogue` and then `experts` list them, or by likes or downloads. The first ten
    of a task are looked at, and five of them shown."""
    workers: int = Field(default=4, ge=1, le=64)
    """Tasks of a request that are under way at once."""
    at_once: int = Field(default=8, ge=1, le=256)
    """Requests of a unit that are under way at once."""
    attempts: int = Field(default=2, ge=1)
    """Attempts at a task whose expert dies, or does not answer in time."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds that a model in a folder may take for a task."""
    shares: int = Field(default=1, ge=1)
    """Units of each file. The records, one file after another, do not depend on it."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps. Raises ConfigError for tools and experts that lack what they need."""
        self._check_tools()
        self._check_experts(inputs)
        needs_index = "search" in self.offline
        index = Step(
            name="index",
            run="stages.tools.conduct.run:index",
            units=WHOLE,
            uses=("passage_words",),
            reads=("corpus",),
            core_seconds=30.0,
            mem_mb=making_mb(inputs.get("corpus", ())),
        )
        pairs = [(file, share) for file in inputs.get("requests", ()) for share in range(self.shares)]
        keys = unique_keys(f"{file_key(file)}/{share}-of-{self.shares}" for file, share in pairs)
        conduct = Step(
            name="conduct",
            run="stages.tools.conduct.run:conduct",
            units=tuple(
                Unit(key=key, inputs={"requests": (file,)}) for key, (file, _) in zip(keys, pairs, strict=True)
            ),
            uses=("controller.model", "controller_tasks", "offline", "today", "passages", "experts", "order"),
            reads=("requests", "folders", "services", "catalogue"),
            after=(After("index"),) if needs_index else (),
            resumes=True,
            shape="small",
            core_seconds=60.0,
            data=self._digest(),
        )
        outputs = [
            Output(step="conduct", unit=key, kind=KINDS.conducted, source=file.source)
            for key, (file, _) in zip(keys, pairs, strict=True)
        ]
        return StagePlan(steps=(index, conduct) if needs_index else (conduct,), outputs=tuple(outputs))

    def _digest(self) -> str:
        """Return a digest of the prompts, and of the models behind endpoints, wherever these are."""
        models = json.dumps({name: each.model for name, each in self.endpoints.items()}, sort_keys=True)
        return hashlib.sha256(PROMPTS.read_bytes() + models.encode()).hexdigest()

    def _check_tools(self) -> None:
        for tool, field in (("search", "corpus"), ("calendar", "today")):
            if (tool in self.offline) != (getattr(self, field) is not None):
                wanted = f"set, for {tool} needs it" if tool in self.offline else f"left out: {tool} is not `offline`"
                raise ConfigError(field, getattr(self, field), wanted)

    def _check_experts(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        folders = [file.source for file in inputs.get("folders", ())]
        for name in (*folders, *self.endpoints):
            if name not in self.experts:
                raise ConfigError("experts", sorted(self.experts), f"with tasks of {name!r}")
        for name, expert in self.experts.items():
            if (name in folders) == (name in self.endpoints):
                wanted = f"experts of either `folders` or `endpoints`; {nearest(name, [*folders, *self.endpoints])}"
                raise ConfigError(f"experts.{name}", list(expert.tasks), wanted)
            other = sorted(set(expert.tasks) - FOLDER_TASKS)
            if name in folders and other:
                raise ConfigError(f"experts.{name}.tasks", other, f"of {', '.join(sorted(FOLDER_TASKS))} for a folder")
        services = [file.source for file in inputs.get("services", ())]
        for name, endpoint in {CONTROLLER: self.controller, **self.endpoints}.items():
            if endpoint.is_service and name not in services:
                where = name if name == CONTROLLER else f"endpoints.{name}"
                raise ConfigError(f"{where}.url", "left out", f"set, or `services` must have {name!r}")


Config = ConductConfig
