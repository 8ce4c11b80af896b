"""LLaVA's instructions about pictures (arXiv:2304.08485, section 3), by a teacher that sees captions and boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from stages.formats.chat.chats import Chat, Message, Part, text_message
from stages.formats.chat.rejects import Reject
from stages.formats.pictures.collections import Picture
from stages.synthesize.config import LlavaSettings, Shown
from stages.synthesize.pool import Rejected
from stages.synthesize.wording import Wording
from stages.synthesize.words import one_line
from stages.teacher.asking import Asker, answered
from stages.teacher.request import Answer, Request

SEPARATOR = re.compile(r"^\s*===+\s*$", re.MULTILINE)
KEPT = "read as questions and answers"


class Turn(NamedTuple):
    """A question with its answer."""

    question: str
    answer: str


class Seeing:
    """Asks for instructions about pictures, and keeps what was rejected."""

    def __init__(self, asker: Asker, wording: Wording, settings: LlavaSettings, seed: int) -> None:
        self._asker, self._wording, self._settings, self._seed = asker, wording, settings, seed
        self.rejected: list[Rejected] = []

    def of(self, pictures: Sequence[Picture], origin: Mapping[str, Any]) -> Iterator[Chat]:
        """Yield the chats about pictures in order, each picture's in the order of the kinds.

        A picture without captions is rejected: boxes alone say too little.
        """
        asked = [each for each in pictures if each.captions]
        for each in pictures:
            if not each.captions:
                self._reject(each, "any", Reject("no_caption", str(each.about.get("name", ""))), "")
        answers = {
            kind: iter(self._asker.ask(kind, [self._request(each, kind) for each in asked]))
            for kind in self._settings.kinds
        }
        for each in asked:
            for kind in self._settings.kinds:
                answer = next(answers[kind])
                try:
                    yield self._chat(each, kind, self._turns(each, kind, answer), origin)
                except Reject as reject:
                    self._reject(each, kind, reject, answer.text)

    def _request(self, picture: Picture, kind: Shown) -> Request:
        boxes = sorted(picture.about.get("boxes", ()), key=_area, reverse=True)[: self._settings.max_boxes]
        shown = [
            {"label": one_line(each["label"]), "corners": ", ".join(f"{corner:.3g}" for corner in each["box"])}
            for each in boxes
        ]
        return self._wording.request(kind, captions=[one_line(text) for text in picture.captions], boxes=shown)

    def _turns(self, picture: Picture, kind: Shown, answer: Answer) -> list[Turn]:
        """Return the turns of an answer. Raises Reject for one that cannot be used."""
        text = answered(answer)
        if found := self._wording.refusals.match(text):
            raise Reject("refusal", found[0])
        if found := self._wording.anywhere("leaks").search(text):
            raise Reject("names_its_source", found[0])
        if kind == "detail":
            draw = Random(f"{self._seed}/describe/{picture.key}")
            return [Turn(draw.choice(self._wording.words("describe")), text)]
        turns = list(self._read(text))
        if kind == "complex" and len(turns) != 1:
            raise Reject("several_questions", text)
        if len({one_line(turn.question).casefold() for turn in turns}) < len(turns):
            raise Reject("same_question", text)
        return turns

    def _read(self, text: str) -> Iterator[Turn]:
        """Yield the questions and answers of a text. Raises Reject for anything else in it."""
        names = ["|".join(self._wording.words(name)) for name in ("question", "answer")]
        pieces = [piece.strip() for piece in SEPARATOR.split(text) if piece.strip()]
        if not pieces or len(pieces) % 2:
            raise Reject("unpaired_turns", text)
        found = []
        for place, piece in enumerate(pieces):
            match = re.match(rf"(?:{names[place % 2]})\s*[:：]\s*", piece, re.IGNORECASE)
            if match is None or not piece[match.end() :]:
                raise Reject("unread_turn", piece)
            found.append(piece[match.end() :])
        yield from (Turn(found[place], found[place + 1]) for place in range(0, len(found), 2))

    def _chat(self, picture: Picture, kind: Shown, turns: Sequence[Turn], origin: Mapping[str, Any]) -> Chat:
        """Return a chat whose picture stands before or after the first question, by lot."""
        first = [Part("picture", key=picture.key), Part("text", turns[0].question)]
        is_last = Random(f"{self._seed}/place/{picture.key}/{kind}").random() < 0.5
        messages = [message for turn in turns for message in _messages(turn)]
        messages[0] = Message("user", tuple(first[::-1] if is_last else first))
        provenance = {**origin, "how": kind, "round": 1, "parents": [picture.key], "kept": KEPT}
        return Chat(id=f"{picture.key}-{kind}", messages=tuple(messages), provenance=provenance)

    def _reject(self, picture: Picture, kind: str, reject: Reject, text: str) -> None:
        self.rejected.append(
            Rejected(
                id=f"{picture.key}-{kind}",
                reason=reject.reason,
                detail=reject.detail,
                text=text,
                how=kind,
                round=1,
                parents=(picture.key,),
            )
        )


def _messages(turn: Turn) -> tuple[Message, Message]:
    return text_message("user", turn.question), text_message("assistant", turn.answer)


def _area(box: Mapping[str, Any]) -> float:
    left, top, right, bottom = box["box"]
    return float((right - left) * (bottom - top))
