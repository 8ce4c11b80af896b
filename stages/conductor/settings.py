"""Settings of a conductor's experts, and of the endpoints that they are behind. Light."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from stages.conductor.plans import TASKS
from stages.shared.contract import Section
from stages.shared.errors import nearest
from stages.teacher.settings import WriterSettings

ToolName = Literal["calculator", "calendar", "search"]
FOLDER_TASKS = frozenset(("text-classification", "token-classification", "image-classification"))
"""Tasks that models in transformers folders do."""
CONTROLLER_TASKS = (
    *("conversational", "question-answering", "summarization", "text-generation", "text2text-generation"),
    "translation",
)
"""Tasks that the controller does itself, as in the paper's code."""
SERVICE = "http://service"
"""In place of a URL: the service of the same name in `services`."""


class EndpointSettings(WriterSettings):
    """An endpoint, or a service of the run."""

    url: str = Field(default=SERVICE, pattern=r"^https?://")
    """Base URL of the API, such as http://node7:8000/v1; left out: the service of this name in `services`. It holds no
    key: it is written into records."""

    @property
    def is_service(self) -> bool:
        """Whether it is a service of the run."""
        return self.url == SERVICE


class ExpertSettings(Section):
    """An expert as the controller sees it."""

    tasks: tuple[str, ...] = Field(min_length=1)
    """What it does: names of the paper's 35 tasks, or text-classification."""
    description: str = ""
    """What it is good at, in a sentence."""
    likes: int = Field(default=0, ge=0)
    """Likes on the hub, which order candidates."""
    downloads: int = Field(default=0, ge=0)
    """Downloads on the hub."""

    @field_validator("tasks")
    @classmethod
    def _known(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        for task in tasks:
            if task not in TASKS:
                raise ValueError(f"{task!r} is no task; {nearest(task, sorted(TASKS))}")
        return tasks
