from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages.formats.calls.apis import Api, write_apis
from stages.formats.calls.questions import Question, write_questions
from stages.formats.chat.chats import read_chats
from stages.shared.contract import InputFile
from stages.tools.chats.config import ChatsConfig
from stages.tools.gorilla.scoring import Scorer
from stages.tools.gorilla.wording import REFERENCE, REFUSAL
from tests.stages.harness import run_stage

APIS = [
    Api(domain="Bread", api_call="hall.bake(kind='rye')", description="Bakes rye bread."),
    Api(domain="Cats", api_call="hall.count(animal='cat')", description="Counts the cats of the town."),
]
QUESTIONS = [Question(id="1", text="Tell the number of cats", api=APIS[1]), Question(id="2", text="Grey", api=APIS[0])]


def test_questions_get_documents_by_each_retriever(tmp_path: Path) -> None:
    write_apis(tmp_path / "apis.jsonl", APIS)
    write_questions(tmp_path / "q.jsonl", QUESTIONS)
    inputs = {
        "apis": (InputFile(tmp_path / "apis.jsonl", ""),),
        "questions": (InputFile(tmp_path / "q.jsonl", "test"),),
    }
    outputs = run_stage(ChatsConfig(questions="q", apis="a"), inputs, tmp_path / "run")
    found = {file.source: list(read_chats(file.path)) for file in outputs["chats"]}
    texts = {source: [chat.messages[0].text for chat in chats] for source, chats in found.items()}
    assert texts["test/none"] == ["Tell the number of cats", "Grey"]
    assert [REFERENCE in text for text in texts["test/bm25"]] == [True, False]  # no document has a word of the second
    assert "hall.count" in texts["test/bm25"][0]
    assert ["hall.count" in text for text in texts["test/oracle"]] == [True, False]
    row = Scorer(APIS, "huggingface").score(QUESTIONS[0], found["test/none"][0].messages[1].text)
    assert (row.published, row.strict) == ("correct", "correct")


def test_a_request_with_arguments_gets_its_apis_document_and_one_without_an_api_a_wrong_one(tmp_path: Path) -> None:
    apis = [Api(domain="Boats", api_name="hire_boat", api_call="hire_boat(place='place')", description="A boat.")]
    bound = replace(apis[0], api_call="hire_boat(place='Amble')")
    questions = [Question(id="1", text="A boat in Amble", api=bound), Question(id="2", text="Paint a boat", api=None)]
    write_apis(tmp_path / "apis.jsonl", apis)
    write_questions(tmp_path / "q.jsonl", questions)
    inputs = {
        "apis": (InputFile(tmp_path / "apis.jsonl", ""),),
        "questions": (InputFile(tmp_path / "q.jsonl", "test"),),
    }
    config = ChatsConfig(questions="q", apis="a", retrievers=("oracle",))
    (file,) = run_stage(config, inputs, tmp_path / "run")["chats"]
    asked, unserved = read_chats(file.path)
    assert "place='place'" in asked.messages[0].text
    assert "Amble" not in asked.messages[0].text.partition(REFERENCE)[2]
    assert "hire_boat(place='Amble')" in asked.messages[1].text
    assert "hire_boat" in unserved.messages[0].text
    assert unserved.messages[1].text == REFUSAL
