"""The step of `tools.chats`: one file of questions as chats, with the documents of one retriever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stages.formats.calls.apis import Api, read_apis
from stages.formats.calls.questions import Question, read_questions
from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.toolbox.search import make_index
from stages.tools.chats.config import ChatsConfig
from stages.tools.gorilla.wording import answer_of, document_of, question_of

Retrieve = Callable[[Question], list[str]]


def write(task: Task[ChatsConfig]) -> dict[str, Any]:
    """Write the chats; return how many there are, and the share whose documents hold the right one."""
    apis = [api for file in task.inputs["apis"] for api in read_apis(file.path)]
    retriever = task.unit.rpartition("/")[2].partition("~")[0]
    retrieve = _retriever(retriever, apis, task.config.documents)
    chats, hits = [], 0
    for file in task.inputs["questions"]:
        for question in read_questions(file.path).values():
            documents = retrieve(question)
            hits += document_of(question.api) in documents
            chats.append(_chat(question, documents, {"source": "gorilla", "retriever": retriever}))
    write_chats(task.out / KINDS.chats.file, chats)
    return {"chats": len(chats), "hits": round(hits / len(chats), 4) if chats else 0.0}


def _retriever(name: str, apis: list[Api], count: int) -> Retrieve:
    if name == "oracle":
        return lambda question: [document_of(question.api)]
    if name == "bm25":
        index = make_index([document_of(api) for api in apis])
        return lambda question: [found.text for found in index.search(question.text, count)]
    return lambda question: []


def _chat(question: Question, documents: list[str], provenance: dict[str, Any]) -> Chat:
    asked = text_message("user", question_of(question.text, documents))
    answer = text_message("assistant", answer_of(question.api))
    return Chat(id=question.id, messages=(asked, answer), provenance=provenance)
