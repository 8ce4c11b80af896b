"""The step of `sample.tools`: the files of one purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from stages.formats.calls.questions import write_questions
from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.documents import DocumentWriter
from stages.formats.kinds import KINDS
from stages.sample.tools.config import LISTING, NOTE_TOOLS, OPENAPI, ToolsConfig
from stages.sample.tools.exams import write_exams
from stages.sample.tools.notes import Note, demonstrations, news, notes
from stages.sample.tools.quotes import quotes
from stages.sample.tools.requests import requests
from stages.sample.tools.town import listing, openapi
from stages.shared.files import write_atomic
from stages.shared.task import Task

SOURCE = "sample.tools"


def run(task: Task[ToolsConfig]) -> dict[str, Any]:
    """Write the files of the purpose; return how much they hold."""
    config, out = task.config, task.out
    match config.purpose:
        case "apis":
            write_atomic(out / OPENAPI, yaml.safe_dump(openapi(), sort_keys=False).encode())
            write_atomic(out / LISTING, json.dumps(listing(), indent=1).encode())
            return {"routes": len(openapi()["paths"]), "models": len(listing())}
        case "requests" | "new_requests":
            found = list(requests(config.seed, config.purpose == "new_requests", config.repeats))
            write_questions(out / KINDS.api_questions.file, found)
            return {"requests": len(found), "unserved": sum(each.api is None for each in found)}
        case "quotes":
            write_chats(out / KINDS.chats.file, quotes(config.seed, config.count, SOURCE))
            return {"chats": config.count}
        case "demonstrations":
            made = [each for tool in NOTE_TOOLS for each in demonstrations(config.seed, tool, config.count)]
            shown = [(each, each.prefixed if place % 2 else each.called) for place, each in enumerate(made)]
            write_chats(out / KINDS.chats.file, map(_chat, made))
            return {"documents": _write(out / KINDS.documents.file, map(_document, *zip(*shown, strict=True)))}
        case "notes":
            plain = notes(config.seed, config.tool, False, config.count, "plain")
            return {"documents": _write(out / KINDS.documents.file, (_document(each, each.text) for each in plain))}
        case "news":
            return {"documents": _write(out / KINDS.documents.file, _pages(config.seed))}
        case "exam":
            return write_exams(out, config.seed, config.count)


def _write(path: Path, documents: Iterable[dict[str, Any]]) -> int:
    with DocumentWriter(path) as writer:
        for document in documents:
            writer.write(document)
    return writer.count


def _chat(note: Note) -> Chat:
    messages = (text_message("user", note.question), text_message("assistant", note.reply))
    return Chat(id=note.id, messages=messages, provenance={"source": SOURCE})


def _document(note: Note, text: str) -> dict[str, Any]:
    url = f"http://notes.example/{note.day:%Y/%m/%d}/{note.id}"
    return _made(note.id, url, text, note.language)


def _pages(seed: int) -> Iterable[dict[str, Any]]:
    for number, text in enumerate(news(seed)):
        yield _made(f"news-{number}", f"http://news.example/{number}", text, "en")


def _made(id_: str, url: str, text: str, language: str) -> dict[str, Any]:
    return {
        "id": id_,
        "url": url,
        "text": text,
        "language": language,
        "language_score": 1.0,
        "source": SOURCE,
        "dump": SOURCE,
    }
