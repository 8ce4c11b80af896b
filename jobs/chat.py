"""The section that `launch.py chat` serves: one of the run's own, else one that is made for its newest models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.runs import Run, with_section
from stages.formats.kinds import KINDS
from stages.shared.contract import FROM
from stages.shared.errors import ConfigError, nearest

CHAT = "chat"
"""Verb, tool of the stage, and name of the section that is made."""
_SHARED = ("tokenizer", "template")
"""Settings of a training that its models are served with."""


def with_chat(run: Run, section: str | None) -> Run:
    """Return the run with a section that serves: `section` may be one that serves, or one that makes models.

    None: the run's own section that serves, else its last one that makes models that write. Raises ConfigError if there
    is none.
    """
    serving = [name for name, config in run.recipe.sections.items() if CHAT in config.tools]
    making = [name for name in run.graph.outputs if _makes_models(run, name)]
    known = [*making, *serving]
    if section is not None and section not in known:
        raise ConfigError("section", section, f"a section with models; {nearest(section, known)}")
    chosen = section or next(iter(serving), None) or next(reversed(making), None)
    if chosen is None:
        raise ConfigError("run", run.name, "a run with a section that makes models, such as pretrain or sft")
    if chosen in serving:
        return with_section(run, chosen, run.recipe.values[chosen], chosen)
    values: Mapping[str, Any] = run.recipe.sections[chosen].model_dump(mode="json")
    shared = {name: values[name] for name in _SHARED if name in values}
    body = {"stage": "serve", "models": FROM + chosen, "checkpoints": [], **shared}
    return with_section(run, _free_name(run.recipe.sections), body, chosen)


def _makes_models(run: Run, section: str) -> bool:
    """Return whether a section offers checkpoints of models that write, with a tokenizer."""
    config = run.recipe.sections[section]
    offers = any(output.kind == KINDS.checkpoint for output in run.graph.outputs[section])
    head = getattr(getattr(config, "model", None), "head", "lm")
    return offers and hasattr(config, "tokenizer") and head == "lm"


def _free_name(sections: Mapping[str, Any] | Sequence[str]) -> str:
    name = CHAT
    while name in sections:
        name += "_"
    return name
