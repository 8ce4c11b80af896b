"""MiniGPT-4's curation (arXiv:2304.10592, section 3.2): a teacher mends descriptions of pictures; those still bad go.

The paper's people looked at each description after that. Rules take their place here, each with its reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stages.formats.chat.chats import Chat, Message, text_message
from stages.formats.chat.rejects import Reject
from stages.synthesize.config import CurateSettings
from stages.synthesize.pool import Rejected
from stages.synthesize.wording import Wording
from stages.synthesize.words import count_words, one_line
from stages.teacher.asking import Asker, answered
from stages.teacher.request import Answer
from stages.text.dedup.rouge import rouge_words

MEND = "mend"
SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]*")
KEPT = "mended by the teacher, and passed the rules"


class Curation:
    """Asks for mended descriptions, and keeps what was rejected."""

    def __init__(self, asker: Asker, wording: Wording, settings: CurateSettings) -> None:
        self._asker, self._wording, self._settings = asker, wording, settings
        self._stop_words = frozenset(wording.words("stop_words"))
        self.rejected: list[Rejected] = []
        self.mended: Counter[str] = Counter()

    def of(self, named: Sequence[tuple[str, Chat]], origin: Mapping[str, Any]) -> Iterator[Chat]:
        """Yield the chats that stay, in order, their answers mended. Each has a name of its own."""
        asked = []
        for name, chat in named:
            try:
                self._check(_description(chat))
                asked.append((name, chat))
            except Reject as reject:
                self._reject(name, chat, reject)
        requests = [self._wording.request(MEND, description=chat.messages[1].text) for _, chat in asked]
        for (name, chat), answer in zip(asked, self._asker.ask(MEND, requests), strict=True):
            try:
                yield self._mended(chat, answer, origin)
            except Reject as reject:
                self._reject(name, chat, reject)

    def _check(self, text: str) -> None:
        """Raise Reject for a description of nothing."""
        if found := self._wording.anywhere("apologies").search(text):
            raise Reject("apology", found[0])

    def _mended(self, chat: Chat, answer: Answer, origin: Mapping[str, Any]) -> Chat:
        before, text = chat.messages[1].text, answered(answer)
        self._check(text)
        if (count := count_words(text)) < self._settings.min_words:
            raise Reject("too_short", f"{count} words: {text}")
        if again := repeated(text):
            raise Reject("repeats_itself", again)
        new = self._new_words(before, text)
        if new > self._settings.max_new_words:
            raise Reject("another_description", f"{new:.2f} of its words are new: {text}")
        self.mended["changed"] += one_line(text) != one_line(before)
        tree = {"how": MEND, "round": 1, "parents": [chat.id], "kept": KEPT, "before": dict(chat.provenance)}
        messages = (chat.messages[0], text_message("assistant", text))
        return replace(chat, messages=messages, provenance={**origin, **tree})

    def _new_words(self, before: str, after: str) -> float:
        """Return the share of the different words of a text that another one does not have; stop words do not count."""
        old, new = (set(rouge_words(text)) - self._stop_words for text in (before, after))
        return len(new - old) / max(1, len(new))

    def _reject(self, name: str, chat: Chat, reject: Reject) -> None:
        self.rejected.append(
            Rejected(
                id=name,
                reason=reject.reason,
                detail=reject.detail,
                text=chat.messages[-1].shown,
                how=MEND,
                round=1,
                parents=(chat.id,),
            )
        )


def _description(chat: Chat) -> str:
    """Return the description of a chat. Raises Reject unless the chat is a request with one picture, and an answer."""
    roles = [message.role for message in chat.messages]
    if roles != ["user", "assistant"] or not _has_picture(chat.messages[0]):
        raise Reject("not_one_picture_and_answer", " ".join(roles))
    try:
        return chat.messages[1].text
    except ValueError as error:
        raise Reject("not_one_picture_and_answer", str(error)) from error


def _has_picture(message: Message) -> bool:
    return sum(part.type == "picture" for part in message.parts) == 1


def repeated(text: str) -> str:
    """Return the first sentence whose words stand in an earlier sentence, in the same order; "" if there is none."""
    seen: set[tuple[str, ...]] = set()
    for found in SENTENCE.findall(text):
        words = tuple(rouge_words(found))
        if words and words in seen:
            return one_line(found)
        seen.add(words)
    return ""
