from __future__ import annotations

from stages.tools.questions.config import QuestionsConfig


def test_each_unit_offers_questions_of_training_and_of_evaluation() -> None:
    config = QuestionsConfig(apis="a", seeds="s", teacher={"url": "http://h/v1", "model": "m"}, shares=2)
    plan = config.plan({})
    assert [unit.key for unit in plan.steps[0].units] == ["0-of-2", "1-of-2"]
    assert [(output.unit, output.source, output.file) for output in plan.outputs[:4]] == [
        ("0-of-2", "train", "questions.jsonl"),
        ("1-of-2", "train", "questions.jsonl"),
        ("0-of-2", "heldout", "heldout.jsonl"),
        ("1-of-2", "heldout", "heldout.jsonl"),
    ]
    assert plan.steps[0].data
    assert "teacher.url" not in plan.steps[0].uses
