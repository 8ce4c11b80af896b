"""Memory of a unit on a machine, for `plan`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from stages.generate.layout import EngineLayout
from stages.generate.memory import (
    LIBRARIES,
    EngineMemory,
    cache_bytes,
    engine_memory,
    scoring_slots,
    slot_bytes,
    weight_bytes,
)
from stages.model.known import KnownModel
from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.shared.numbers import plural, size
from stages.train.planner.shape import BYTES

CORE_SECONDS = 15.0
"""Of a unit: an order of magnitude."""


def forecast(
    models: Mapping[str, KnownModel], layout: EngineLayout, batch: int, cache_mb: int | None, machine: Machine
) -> Forecast:
    """Return the memory of a unit of the largest of some models, by name.

    The hosts hold libraries, and without GPUs the model. Raises ConfigError if a GPU cannot hold its share.
    """
    found = {name: unit_memory(model, layout, batch, cache_mb) for name, model in models.items()}
    name, memory = max(found.items(), key=lambda each: each[1].total)
    if machine.gpu and memory.total > machine.gpu.memory_gb * 1e9:
        has = f"the {machine.gpu.memory_gb:g} GB of a {machine.gpu.type}"
        wanted = f"more ranks for {name}: its share takes {size(memory.total)}, more than {has}"
        ranks = 2 * layout.tp
        raise ConfigError("layout", layout.model_dump(), f"{wanted} (for example {{tp: {ranks}}})")
    on_host = LIBRARIES + (memory.weights if machine.gpu else memory.total)
    parts = ", ".join(f"{part} {size(number)}" for part, number in asdict(memory).items())
    where = "of a GPU" if machine.gpu else f"with {size(LIBRARIES)} of libraries"
    taken = memory.total if machine.gpu else on_host
    return Forecast(
        headline=f"{plural(len(models), 'model')}, {size(taken)} a rank at most",
        rows=(("memory", f"{size(taken)} {where}, {plural(layout.ranks, 'rank')}, for {name}: {parts}"),),
        hours=CORE_SECONDS / 3600,
        mem_mb=on_host * layout.ranks / 1e6,
        data={"largest": name, "ranks": layout.ranks, "memory_gb": {k: v / 1e9 for k, v in asdict(memory).items()}},
    )


def with_index(found: Forecast, index_mb: float, layout: EngineLayout) -> Forecast:
    """Return a forecast with the index of a search, which each rank makes on its host; 0 MB: there is none."""
    if not index_mb:
        return found
    row = ("index", f"{size(index_mb * 1e6)} a rank on its host, for the search")
    return replace(found, rows=(*found.rows, row), mem_mb=found.mem_mb + index_mb * layout.ranks)


def unit_memory(model: KnownModel, layout: EngineLayout, batch: int, cache_mb: int | None) -> EngineMemory:
    """Return the memory of a model on its fullest rank: for scores or for texts, whichever has the larger cache."""
    config, number = model.config, BYTES[model.dtype]
    asked = None if cache_mb is None else cache_mb * 1_000_000
    most = cache_bytes(weight_bytes(config, model.vocab_size, number, layout), asked)
    slots = max(scoring_slots(config, batch), config.seq_len, most // slot_bytes(config, number, layout))
    return engine_memory(config, model.vocab_size, number, batch, slots=slots, layout=layout)
