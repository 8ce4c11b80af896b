from __future__ import annotations

from pathlib import Path

from stages.shared.contract import InputFile
from stages.tools.chats.config import ChatsConfig


def test_each_file_and_retriever_is_a_unit() -> None:
    config = ChatsConfig(questions="q", apis="a", retrievers=("none", "bm25", "bm25"))
    plan = config.plan({"questions": (InputFile(Path("q.jsonl"), "train"), InputFile(Path("q.jsonl"), "train"))})
    keys = [unit.key for unit in plan.steps[0].units]
    assert keys == ["train/q.jsonl/none", "train/q.jsonl/bm25", "train/q.jsonl/none~2", "train/q.jsonl/bm25~2"]
    assert [unit.uses for unit in plan.steps[0].units] == [(), ("documents",)] * 2
    assert [output.source for output in plan.outputs] == ["train/none", "train/bm25"] * 2
