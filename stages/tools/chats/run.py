"""The step of `tools.chats`: one file of questions as chats, with the documents of one retriever."""

from __future__ import annotations

import json
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
            hits += any(_fits(document, question) for document in documents)
            chats.append(_chat(question, documents, {"source": "gorilla", "retriever": retriever}))
    write_chats(task.out / KINDS.chats.file, chats)
    return {"chats": len(chats), "hits": round(hits / len(chats), 4) if chats else 0.0}


def _retriever(name: str, apis: list[Api], count: int) -> Retrieve:
    if name == "none":
        return lambda question: []
    index = make_index([document_of(api) for api in apis])

    def found(question: Question) -> list[str]:
        return [each.text for each in index.search(question.text, count)]

    if name == "bm25":
        return found
    by_name = {api.api_name: document_of(api) for api in apis}

    def right(question: Question) -> list[str]:
        """Return the right document; for a request that no API serves the best of the wrong ones."""
        if question.api is None:
            return found(question)[:1]
        own = document_of(question.api)
        return [own if own in index.passages else by_name.get(question.api.api_name, own)]

    return right


def _fits(document: str, question: Question) -> bool:
    """Return whether a document is that of the question's API, which may have the arguments of the request."""
    if question.api is None:
        return False
    found = json.loads(document)
    return (found.get("api_name", ""), found["domain"]) == (question.api.api_name, question.api.domain)


def _chat(question: Question, documents: list[str], provenance: dict[str, Any]) -> Chat:
    asked = text_message("user", question_of(question.text, documents))
    answer = text_message("assistant", answer_of(question.api))
    return Chat(id=question.id, messages=(asked, answer), provenance=provenance)
