"""Questions as conversations: the chat template of a model, in the place where lm-eval asks for one.

    Dialogue(template).apply(messages) -> Conversation        a text for lm-eval, with the tokens of its template

Tokens are made by pieces: a text of a message never becomes a control token. The template says every token, so none is
put before it.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import jinja2
from tokenizers import AddedToken
from tokenizers import Tokenizer as FastTokenizer

from stages.evaluate.backends.placing import Placing
from stages.formats.chat.chats import ROLES, Message, Part, PartType, text_message
from stages.formats.chat.templates import ChatEncoder
from stages.formats.pieces import TOKENIZER_JSON
from stages.generate.text import Codec
from stages.shared.errors import ConfigError
from stages.shared.files import read_json

_PRIVATE = 0xF0000
"""Start of the private characters that stand for control tokens' names in messages while a template is filled."""
_GENERATION = "generation_config.json"


class Template(Protocol):
    """A chat template with its tokenizer. `begun` is the begin of an answer that the task gives; mostly empty."""

    identity: str
    """Digest of the template."""
    ends: tuple[int, ...]
    """Tokens that end an answer."""

    def text(self, messages: Sequence[Message], begun: str) -> str:
        """Return the prompt as text, for people to read."""

    def ids(self, messages: Sequence[Message], begun: str, answer: str = "") -> list[int]:
        """Return the tokens of the prompt, and of an answer that continues it."""

    def given_ids(self, messages: Sequence[Message], begun: str) -> list[int]:
        """Return the tokens of the prompt without white space at its end."""


class Conversation(str):
    """A conversation up to where the model answers, as text. What is cut from it, or joined, is a plain text."""

    template: Template
    messages: tuple[Message, ...]
    begun: str
    """The begin of the answer; mostly empty."""

    def __new__(cls, template: Template, messages: Sequence[Message], begun: str) -> Conversation:
        """Render the messages."""
        made = super().__new__(cls, template.text(messages, begun))
        made.template, made.messages, made.begun = template, tuple(messages), begun
        return made

    def showing(self, kind: PartType, keys: Iterable[str]) -> Conversation:
        """Return the conversation with pictures or sounds before the text of its last question."""
        place = max(place for place, message in enumerate(self.messages) if message.role == "user")
        asked = self.messages[place]
        parts = (*(Part(kind, key=key) for key in keys), *asked.parts)
        messages = (*self.messages[:place], asked._replace(parts=parts), *self.messages[place + 1 :])
        return Conversation(self.template, messages, self.begun)

    def ids(self, answer: str = "") -> list[int]:
        """Return the tokens of the conversation, and of an answer in it."""
        return self.template.ids(self.messages, self.begun, answer)

    def given_ids(self) -> list[int]:
        """Return the tokens without white space at the end, which belongs to what follows."""
        return self.template.given_ids(self.messages, self.begun)


class Dialogue:
    """Makes conversations of what lm-eval asks."""

    def __init__(self, template: Template, *, multiturn: bool, system: str) -> None:
        self.template, self.multiturn, self.system = template, multiturn, system

    def apply(self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> Conversation:
        """Return a conversation. Without a generation prompt the last message is the begin of the answer.

        Named and called as lm-eval does.
        """
        messages = [text_message(_role(each["role"]), each["content"]) for each in chat_history]
        begun = "" if add_generation_prompt else messages.pop().text
        return Conversation(self.template, messages, begun)

    @property
    def options(self) -> dict[str, Any]:
        """Arguments with which lm-eval makes prompts by this template."""
        return {
            "apply_chat_template": True,
            "fewshot_as_multiturn": self.multiturn,
            "system_instruction": self.system or None,
        }


def _role(name: str) -> Any:
    if name not in ROLES:
        raise ConfigError("tasks", name, f"tasks whose messages have the roles {', '.join(ROLES)}")
    return name


class OwnTemplate:
    """A template of templates/chat, for checkpoints of ours."""

    def __init__(self, encoder: ChatEncoder, codec: Codec, identity: str, placing: Placing | None = None) -> None:
        """`placing` has the positions of pictures or sounds in messages, as the encoder counts them; None: there are
        none.
        """
        self._encoder, self._codec, self.identity, self._placing = encoder, codec, identity, placing
        self.ends: tuple[int, ...] = () if encoder.end_id is None else (encoder.end_id,)

    def text(self, messages: Sequence[Message], begun: str) -> str:
        """Return the prompt as text."""
        return self._encoder.prompt_text(messages, begun)

    def ids(self, messages: Sequence[Message], begun: str, answer: str = "") -> list[int]:
        """Return the tokens of the prompt, and of an answer that continues it."""
        ids = self._encoder.prompt(messages, begun + answer if answer else begun.rstrip(" "))
        return self._placed(ids, messages)

    def given_ids(self, messages: Sequence[Message], begun: str) -> list[int]:
        """Return the tokens of the prompt without white space at its end."""
        ids = self._encoder.prompt(messages, begun.rstrip())
        while ids and self._codec.decode(ids[-1:]).isspace():
            ids.pop()
        return self._placed(ids, messages)

    def _placed(self, ids: list[int], messages: Sequence[Message]) -> list[int]:
        """Return the tokens with the features of pictures or sounds at their positions."""
        perceived = self._encoder.perceived
        parts = [part for message in messages for part in message.parts if part.type in perceived]
        if not parts or self._placing is None:
            return ids
        return self._placing.placed(ids, perceived[parts[0].type], [part.key for part in parts])


class FolderTemplate:
    """The chat template of a folder as transformers saves it: Jinja in transformers' sandbox."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError for a folder that has no chat template."""
        from transformers import AutoTokenizer  # noqa: PLC0415  15 MB: for folders alone

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not isinstance(self._tokenizer.chat_template, str):
            raise ConfigError("chat", True, f"left out for {folder.name}: its tokenizer has no chat template")
        source: str = self._tokenizer.chat_template
        self.identity = hashlib.sha256(source.encode()).hexdigest()
        if not hasattr(self._tokenizer, "backend_tokenizer"):
            raise ConfigError("chat", True, f"left out for {folder.name}: it has no {TOKENIZER_JSON}")
        self._whole = FastTokenizer.from_str(self._tokenizer.backend_tokenizer.to_str())
        added = self._whole.get_added_tokens_decoder().items()
        self._controls = {each.content: number for number, each in added if _is_control(each, source)}
        self._plain = _without(self._whole, self._controls)
        names = sorted(self._controls, key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, names)) or r"(?!)")
        self._has_system = self._takes_system()
        self.ends = self._ends(read_json(folder / _GENERATION) if (folder / _GENERATION).is_file() else {})

    def _takes_system(self) -> bool:
        """Return whether the template has a place for a system message: some refuse it, some leave it out."""
        asked = [text_message("system", chr(_PRIVATE)), text_message("user", "x")]
        try:
            return chr(_PRIVATE) in self._jinja(asked, "")
        except ConfigError:
            return False

    def _ends(self, generation: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the control token that follows an answer in the template, and those of the folder's generation."""
        asked = [text_message("user", "x"), text_message("assistant", chr(_PRIVATE)), text_message("user", "x")]
        behind = self._jinja(asked, "").partition(chr(_PRIVATE))[2]
        first = self._names.match(behind.lstrip())
        named = generation.get("eos_token_id")
        several = named if isinstance(named, list) else [] if named is None else [named]
        return tuple(dict.fromkeys([*([self._controls[first[0]]] if first else []), *several]))

    def text(self, messages: Sequence[Message], begun: str) -> str:
        """Return the prompt as text."""
        protected, names = self._rendered(messages, begun)
        return _shown(protected, names)

    def ids(self, messages: Sequence[Message], begun: str, answer: str = "") -> list[int]:
        """Return the tokens of the prompt, and of an answer that continues it."""
        return self._encode(*self._rendered(messages, begun, answer))

    def given_ids(self, messages: Sequence[Message], begun: str) -> list[int]:
        """Return the tokens of the prompt without white space at its end."""
        protected, names = self._rendered(messages, begun)
        return self._encode(protected.rstrip(), names)

    def _rendered(self, messages: Sequence[Message], begun: str, answer: str = "") -> tuple[str, Mapping[str, str]]:
        """Return a prompt in which characters stand for control tokens' names in its messages, and these names."""
        texts = [*(message.text for message in messages), begun, answer]
        found = dict.fromkeys(name for text in texts for name in self._names.findall(text))
        marks = dict(zip(found, _free(len(found), texts), strict=True))
        *hidden, begun, answer = [self._names.sub(lambda name: marks[name[0]], text) for text in texts]
        asked = [text_message(each.role, text) for each, text in zip(messages, hidden, strict=True)]
        protected = self._jinja(asked if self._has_system else _folded(asked), begun) + answer
        return protected, {mark: name for name, mark in marks.items()}

    def _jinja(self, messages: Sequence[Message], begun: str) -> str:
        asked = [{"role": message.role, "content": message.text} for message in messages]
        asked += [{"role": "assistant", "content": begun}] if begun else []
        try:
            text = self._tokenizer.apply_chat_template(
                asked, tokenize=False, add_generation_prompt=not begun, continue_final_message=bool(begun)
            )
        except (jinja2.TemplateError, ValueError) as error:
            raise ConfigError("chat", True, f"left out: the model's chat template fails ({error})") from error
        return str(text)

    def _encode(self, protected: str, names: Mapping[str, str]) -> list[int]:
        if not names:
            ids: list[int] = self._whole.encode(protected, add_special_tokens=False).ids
            return ids
        found: list[int] = []
        place = 0
        for control in [*self._names.finditer(protected), None]:
            piece = _shown(protected[place : control.start() if control else None], names)
            found += self._plain.encode(piece, add_special_tokens=False).ids if piece else []
            if control:
                found.append(self._controls[control[0]])
                place = control.end()
        return found


def _is_control(token: AddedToken, template: str) -> bool:
    """Return whether a token is special, or one that the template writes, such as `<think>`."""
    name: str = token.content
    return bool(token.special or (name.strip() and name in template))


def _without(tokenizer: FastTokenizer, names: Container[str]) -> FastTokenizer:
    """Return a tokenizer that reads the names of some of its tokens as texts."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [each for each in content["added_tokens"] if each["content"] not in names]
    return FastTokenizer.from_str(json.dumps({**content, "post_processor": None}))


def _free(count: int, texts: Sequence[str]) -> list[str]:
    """Return private characters that the texts have not."""
    used = set("".join(texts)) if count else set()
    return [*islice((mark for mark in map(chr, range(_PRIVATE, sys.maxunicode)) if mark not in used), count)]


def _shown(protected: str, names: Mapping[str, str]) -> str:
    return protected.translate({ord(mark): name for mark, name in names.items()})


def _folded(messages: Sequence[Message]) -> list[Message]:
    """Return messages without a system message: its text begins the user's."""
    system = [message.text for message in messages if message.role == "system"]
    others = [message for message in messages if message.role != "system"]
    if system and others and others[0].role == "user":
        others[0] = text_message("user", "\n\n".join([*system, others[0].text]))
    return others


class MessagesTemplate:
    """The messages themselves: an endpoint of the chat API has the template."""

    identity = "the endpoint's"
    ends: tuple[int, ...] = ()

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def text(self, messages: Sequence[Message], begun: str) -> str:
        """Return the messages as JSON."""
        asked = [{"role": message.role, "content": message.text} for message in messages]
        return json.dumps([*asked, *([{"role": "assistant", "content": begun}] if begun else [])], ensure_ascii=False)

    def ids(self, messages: Sequence[Message], begun: str, answer: str = "") -> list[int]:
        """Return the tokens of the messages."""
        return self._codec.encode(self.text(messages, begun + answer))

    def given_ids(self, messages: Sequence[Message], begun: str) -> list[int]:
        """Return the tokens of the messages."""
        return self.ids(messages, begun)
