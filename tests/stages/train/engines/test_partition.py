"""What ZeRO's ranks hold, in runs and whole: real ranks hand a state on, each layout to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from megatron.core import parallel_state
from torch import Tensor
from torch.distributed.checkpoint import FileSystemReader

from stages.model import parallel
from stages.model.checkpoint.reading import read_slice, read_tensors
from stages.model.checkpoint.saving import save
from stages.shared.task import Ranks
from stages.train.engines.deepspeed import DeepSpeedEngine
from stages.train.engines.partition import OPTIMIZER
from tests.stages.train.engines.single import next_token, single
from tests.stages.train.engines.test_deepspeed import SMALL, batch
from tests.stages.train.ranks import Run, finish, settings, start


def hand_on(run: Run, rank: int) -> None:
    """Be a rank that takes over the state in run.data, or makes one if there is none, and saves it in run.folder."""
    torch.set_num_threads(1)
    config = settings(run)
    sizes = parallel.Sizes(tp=config.layout.tp)
    parallel.start(Ranks(rank=rank, world_size=config.layout.ranks, local_rank=rank, master_port=run.port), sizes)
    engine = single(config)
    assert isinstance(engine, DeepSpeedEngine)
    if run.data:
        engine.load(read_tensors(engine.state(is_loading=True), Path(run.data)))
    else:
        engine.accumulate(next_token(), iter([batch(rank)]), 1)
        engine.gradient_norm()
        engine.update(0.01)
        for flat in engine._flats:  # zeros with a sign, which adding up would lose
            engine._zero.state[flat]["exp_avg"].clamp_(min=0).neg_()
    state = engine.state(is_loading=False)
    kept = sum(shard.data.numel() for kind in OPTIMIZER for shard in state["optimizer"][kind].values())
    save(state, Path(run.folder) / "state", {})
    place = {"tp": parallel_state.get_tensor_model_parallel_rank(), "kept": kept, "step": state["optimizer"]["step"]}
    (Path(run.folder) / f"rank-{rank}.json").write_text(json.dumps(place), "utf-8")
    parallel.stop()


def handed_on(
    folder: Path, state: Path | str, layout: dict[str, Any], **more: Any
) -> tuple[Path, list[dict[str, Any]]]:
    """Return the state that ranks of a layout saved, and what each of them said."""
    config = {"engine": "deepspeed", "layout": layout, "model": SMALL, **more}
    run = Run(str(folder), str(state), config)
    ranks = finish(start(run, hand_on))
    assert ranks == [0] * len(ranks)
    said = [json.loads((folder / f"rank-{rank}.json").read_text("utf-8")) for rank in range(len(ranks))]
    return folder / "state", said


def bits(state: Path) -> dict[str, Tensor]:
    """Return every tensor of a state by its global name, as integers."""
    names = FileSystemReader(state).read_metadata().state_dict_metadata
    return {name: read_slice(state, name, ()).view(torch.uint8) for name in names}


def test_every_bit_of_a_state_goes_from_layout_to_layout(tmp_path: Path) -> None:
    first, said = handed_on(tmp_path / "0", "", {"dp": 2, "zero": 3})
    expected = bits(first)
    assert len(expected) == 4 * 9  # weights in 16 and 32 bits, and two moments
    negative_zero = torch.tensor([0, 0, 0, 128], dtype=torch.uint8)
    moment = expected["optimizer.state.exp_avg.model.embedding.word_embeddings.weight"]
    assert (moment.view(-1, 4) == negative_zero).all(1).any()
    kept = [rank["kept"] for rank in said]
    assert max(kept) < 0.7 * sum(kept)
    state = first
    layouts = ({"tp": 2, "zero": 1}, {"dp": 2, "zero": 2, "offload": ["optimizer"]}, {"tp": 2, "zero": 3}, {"dp": 2})
    for number, layout in enumerate(layouts, 1):
        state, said = handed_on(tmp_path / str(number), state, layout)
        assert {rank["step"] for rank in said} == {1.0}
        found = bits(state)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in found)
