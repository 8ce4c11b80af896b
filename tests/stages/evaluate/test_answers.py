from pathlib import Path

import pytest

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
