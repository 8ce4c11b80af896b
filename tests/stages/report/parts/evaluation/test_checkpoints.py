import pytest

from stages.report.parts.evaluation.checkpoints import in_order, trained, training_of, training_step


@pytest.mark.parametrize(
    ("name", "step", "training"),
    [
        ("step-500", 500, ""),
        ("step-0000500", 500, ""),
        ("iter_0000500", 500, ""),
        ("checkpoint-500", 500, ""),
        ("global_step500", 500, ""),
        ("small/step-500", 500, "small"),
        ("lr=1e-3 step-20", 20, "lr=1e-3"),
        ("step-500~2", 500, "~2"),
        ("final", None, "final"),
        ("llama-7b", None, "llama-7b"),
        ("footstep-9", None, "footstep-9"),
        ("", None, ""),
    ],
)
def test_the_step_is_read_from_a_name(name: str, step: int | None, training: str) -> None:
    assert (training_step(name), training_of(name)) == (step, training)


def test_checkpoints_follow_their_steps_not_their_names() -> None:
    names = ["final", "best", "step-1000", "untrained", "step-200", "step-1000"]
    assert in_order(names) == ["untrained", "step-200", "step-1000", "best", "final"]
    assert trained(names) == ["step-200", "step-1000", "final"]


def test_untrained_and_best_of_a_second_training_are_known_by_their_role() -> None:
    names = ["final", "untrained", "final~2", "untrained~2", "sft/best", "sft/untrained"]
    assert in_order(names) == ["untrained", "untrained~2", "sft/untrained", "sft/best", "final", "final~2"]
    assert trained(names) == ["final", "final~2"]


def test_names_without_a_step_keep_their_order() -> None:
    assert in_order(["b", "c", "a"]) == ["b", "c", "a"]
