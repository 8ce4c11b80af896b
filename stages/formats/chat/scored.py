"""The input of a reward model: a conversation up to the token that ends its last answer, and what is appended to it.

Trainings, evaluations, rollouts and judges all build it here: a model that is trained with an end token and asked
without one gives other scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.formats.chat.chats import Message, text_message
from stages.formats.chat.templates import ChatEncoder, Encoded


@dataclass(frozen=True)
class ScoredEncoder:
    """Builds the inputs of one model."""

    encoder: ChatEncoder
    appended: tuple[int, ...] = ()
    """The end-of-context token, if the model reads its score there."""

    def encode(self, prompt: Sequence[Message], response: str) -> Encoded:
        """Return the tokens of a prompt with a response; those of the response and of its end are marked.

        The score is read at the last token. Raises ValueError for a role that the template lacks, and for a message
        that is not plain text.
        """
        whole = self.encoder.encode([*prompt, text_message("assistant", response)], last_only=True)
        end = whole.is_answer.rfind(b"\x01") + 1
        return Encoded(
            ids=[*whole.ids[:end], *self.appended],
            is_answer=whole.is_answer[:end] + bytes(len(self.appended)),
        )

    def joined(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[int]:
        """Return the tokens of a prompt and of a response as it was sampled.

        The ids stay those of the sampler: the response's text may have others, which were not sampled. Of a text that
        the sampler ended they are what `encode` returns.
        """
        return [*prompt_ids, *response_ids, *self.appended]
