from pathlib import Path

import pytest
import torch.distributed as dist
from torch.multiprocessing import spawn

from stages.evaluate.answers import Answers
from stages.shared.errors import Checkpointed


def test_an_answer_is_asked_for_once_and_not_shared_with_another_model(tmp_path: Path) -> None:
    path, asked = tmp_path / "answers.jsonl", []

    def answer() -> list[list[object]]:
        asked.append(1)
        return [[-1.25, True]]

    for identity in ("a", "a", "b"):
        answers = Answers(path, identity, lambda: False, lambda done: None)
        assert answers.ask("score", [[1, 2]], answer) == [[-1.25, True]]
    assert len(asked) == 2


def test_a_kept_answer_is_given_even_after_the_request_to_stop(tmp_path: Path) -> None:
    Answers(tmp_path / "a", "x", lambda: False, lambda done: None).ask("score", [1], lambda: 1)
    stopping = Answers(tmp_path / "a", "x", lambda: True, lambda done: None)
    assert stopping.ask("score", [1], lambda: 2) == 1
    with pytest.raises(Checkpointed):
        stopping.ask("score", [2], lambda: 2)


def _ask_as_rank(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    path = Path(folder) / ("answers.jsonl" if rank == 0 else "none.jsonl")
    answers = Answers(path, "x", lambda: rank == 0, lambda done: None)
    assert answers.ask("score", [1], lambda: "asked again") == "kept"
    with pytest.raises(Checkpointed):
        answers.ask("score", [2], lambda: 2)
    going_on = Answers(path, "x", lambda: rank == 1, lambda done: None)
    assert going_on.ask("score", [2], lambda: 2) == 2
    assert not (Path(folder) / "none.jsonl").exists()
    dist.destroy_process_group()


def test_ranks_do_what_the_first_one_knows_and_is_told(tmp_path: Path) -> None:
    Answers(tmp_path / "answers.jsonl", "x", lambda: False, lambda done: None).ask("score", [1], lambda: "kept")
    spawn(_ask_as_rank, (str(tmp_path),), nprocs=2)
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 2
