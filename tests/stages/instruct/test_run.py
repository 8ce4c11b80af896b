import json
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.chats import read_chats
from stages.instruct.config import InstructConfig
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.files import read_json
from stages.text.dedup.rouge import rouge_words
from tests.stages.harness import all_units, run_stage

Files = dict[str, tuple[InputFile, ...]]


@pytest.fixture
def world(tokenizer: InputFile, tmp_path: Path) -> Files:
    """Two files of one task, a task of other columns, and one to hold out."""
    files = []
    for name, task, numbers in (("a", "add", range(20)), ("b", "add", range(20, 30)), ("m", "mul", range(8))):
        rows = (
            {"question": f"{task} {n} and {n}?", "answer": f"{2 * n}", "options": ["-1", f"{2 * n}"]} for n in numbers
        )
        files.append(InputFile(tmp_path / f"{name}.jsonl", task))
        files[-1].path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "bad.tsv").write_text("x\ty\n1\t2\n3\n")
    return {"files": (*files, InputFile(tmp_path / "bad.tsv", "bad")), "tokenizer": (tokenizer,)}


def config(**given: Any) -> InstructConfig:
    tasks = {
        "add": {"mixture": "sums", "templates": ["question_answer"]},
        "mul": {"mixture": "products", "templates": ["question_answer"], "cluster": "product"},
        "bad": {"mixture": "sums", "templates": ["cot"]},
    }
    mixtures = {"sums": {"share": 3, "cap": 25}, "products": {"share": 1, "styles": {"zero_options": 0}}}
    return InstructConfig(
        **{"files": "x", "tokenizer": "x", "draws": 400, "tasks": tasks, "mixtures": mixtures, **given}
    )


def test_the_bytes_do_not_depend_on_the_number_of_shares(world: Files, tmp_path: Path) -> None:
    made = [run_stage(config(shares=n), world, tmp_path / f"run{n}")["chats"] for n in (1, 3)]
    whole, divided = (b"".join(file.path.read_bytes() for file in files) for files in made)
    assert [len(files) for files in made] == [1, 3]
    assert whole == divided
    assert whole.count(b"\n") == 400


def test_the_chats_are_those_that_the_table_promises(world: Files, tmp_path: Path) -> None:
    outputs = run_stage(config(held_out=["product"]), world, tmp_path / "run")
    table = read_json(outputs["mixture"][0].path)
    states = {name: (task["state"], task["rows"], task["examples"]) for name, task in table["tasks"].items()}
    assert states == {"add": ("used", 30, 180), "mul": ("held out", 0, 0), "bad": ("broken", 2, 0)}
    assert table["tasks"]["bad"]["rejects"] == {
        "template_error": 6, "no_options": 4, "unreadable_row": 1,
    }  # fmt: skip
    assert {(cell["examples"], cell["rate"]) for cell in table["cells"]} == {(30, 25)}
    assert sum(cell["share"] for cell in table["cells"]) == pytest.approx(1)

    chats = list(read_chats(outputs["chats"][0].path))
    assert [chat.id for chat in chats] == [str(n) for n in range(400)]
    for cell in table["cells"]:
        own = [chat for chat in chats if chat.provenance["style"] == cell["style"]]
        assert len(own) == cell["drawn"]
        taken = [(chat.provenance["source"], chat.provenance["row"]) for chat in own]
        assert len(set(taken)) == min(30, len(taken))
    for chat in chats:
        user, assistant = chat.messages
        assert (user.role, assistant.role, chat.provenance["task"]) == ("user", "assistant", "add")
        first = 1 if chat.provenance["source"] == "add/a.jsonl" else 21
        number = chat.provenance["row"] + first - 2
        asked = user.text if chat.provenance["style"] != "zero_inverted" else assistant.text
        assert f"add {number} and {number}?" in asked or chat.provenance["style"] == "few_inverted"


def test_an_item_of_an_evaluation_is_in_no_prompt_target_or_solved_example(world: Files, tmp_path: Path) -> None:
    items = InputFile(tmp_path / "items.jsonl", "")
    items.path.write_text('{"question": "QUESTION: Add 7 and 7"}')
    outputs = run_stage(config(), {**world, "evaluations": (items,)}, tmp_path / "run")
    rejects = read_json(outputs["mixture"][0].path)["tasks"]["add"]["rejects"]
    assert rejects["leaks_evaluation"] > 0
    words = [
        rouge_words(" ".join(each.text for each in chat.messages)) for chat in read_chats(outputs["chats"][0].path)
    ]
    assert not [each for each in words if "add 7 and 7 1 14" in " ".join(each)]
    items.path.write_text("{")
    with pytest.raises(DataError, match=r"items.jsonl:1: unreadable_row"):
        run_stage(config(), {**world, "evaluations": (items,)}, tmp_path / "again")


def test_a_mixture_of_broken_tasks_alone_is_refused_with_their_reasons(world: Files, tmp_path: Path) -> None:
    alone = {**world, "files": world["files"][-1:]}
    tasks = {"bad": {"mixture": "sums", "templates": ["cot"]}}
    with pytest.raises(DataError, match=r"no task has an example in a style with a weight \(.*'unreadable_row': 1"):
        run_stage(config(tasks=tasks), alone, tmp_path / "run")
    (folder,) = all_units(tmp_path / "run", "render")
    assert {"reason": "unreadable_row", "row": 2, "detail": "1 cells of 2: b'3'"} in read_json(folder / "rejects.json")
