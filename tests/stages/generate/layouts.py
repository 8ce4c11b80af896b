"""Ranks that score and continue together: what the tests of layouts start."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.generate.generation import Generator
from stages.generate.memory import scoring_slots
from stages.generate.passes import Passes
from stages.generate.scoring import score
from stages.model import parallel
from stages.model.checkpoint.load import load_model
from stages.model.parallel import Sizes
from stages.shared.task import Ranks
from tests.stages.generate.tiny import Names, mixed_requests, positions_of
from tests.stages.gloo import run_ranks


def answers(checkpoint: Path) -> dict[str, Any]:
    """Return scores and continuations of a checkpoint's model, packed, in the layout of this process's group."""
    model = load_model(checkpoint)
    model.model.pack()
    passes = Passes(model, scoring_slots(model.config, 32))
    scores = [asdict(each) for each in score(passes, positions_of(model), 32)]
    generator = Generator(Passes(model, 200), Names(), max_rows=6, batch=16)
    requests = mixed_requests(16, logprobs=2)
    return {"scores": scores, "texts": [asdict(each) for each in generator.generate(requests)]}


def answer(ranks: Ranks, sizes: dict[str, int], folder: str, kinds: list[str]) -> None:
    """Write the answers for each kind of model as one rank."""
    parallel.start(ranks, Sizes(**sizes))
    for kind in kinds:
        path = Path(folder) / f"{kind}-{ranks.rank}.json"
        path.write_text(json.dumps(answers(Path(folder).parent / kind)))
    parallel.stop()


def answers_of_ranks(folder: Path, ranks: int, sizes: dict[str, int], kinds: list[str]) -> list[dict[str, Any]]:
    """Return by kind what all ranks answer alike. The checkpoints are beside `folder`."""
    folder.mkdir()
    assert run_ranks(ranks, answer, sizes, str(folder), kinds) == [0] * ranks
    found = [[json.loads((folder / f"{kind}-{rank}.json").read_text()) for rank in range(ranks)] for kind in kinds]
    for of_ranks in found:
        assert all(each == of_ranks[0] for each in of_ranks)
    return [of_ranks[0] for of_ranks in found]
