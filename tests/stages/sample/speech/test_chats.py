"""Chats about sounds: the sound once, its words, and answers that it says."""

from __future__ import annotations

from stages.formats.chat.chats import Chat
from stages.sample.speech.chats import Spoken, answered, transcribed
from stages.sample.speech.sentences import sentence

SPOKEN = [Spoken(number, f"{number:032x}", sentence(1, "questions", number)) for number in range(200)]


def sounds(chat: Chat) -> list[str]:
    return [part.key for message in chat.messages for part in message.parts if part.type == "audio"]


def test_a_request_for_the_words_is_answered_with_them() -> None:
    for each in SPOKEN:
        chat = transcribed(each, 1)
        assert sounds(chat) == [each.key]
        assert chat.messages[1].text == each.sentence.text


def test_an_answer_is_what_the_sound_says_or_the_fact_that_it_asks_for() -> None:
    for each in SPOKEN:
        chat = answered(each, 1)
        assert sounds(chat) == [each.key] == [chat.messages[0].parts[0].key]
        right = (
            {each.sentence.answer, each.sentence.reply} if each.sentence.answer else dict(each.sentence.says).values()
        )
        assert chat.messages[1].text in right
    alone = [each for each in SPOKEN if len(answered(each, 1).messages[0].parts) == 1]
    assert alone and all(each.sentence.answer for each in alone)
