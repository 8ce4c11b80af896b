"""Chat templates: which tokens a conversation becomes, and which of them are learned. Ids and mask are made together.

A template is a file of templates/chat. It lists, for each role, items: a control token by its name, or a text in which
{content} stands for the message. The items `answer` of the assistant are learned, and nothing else is. `<first>` is the
token that the model was trained to see first.

Every text is encoded where the template cuts it, so a mask cannot disagree with its ids, and text of a user can never
become a control token. A cut is allowed only where the tokenizer puts no piece across it, whatever the text: then the
ids are also those of the whole text, as `transformers` encodes it (see `to_jinja`). Spaces before a cut move behind it,
because pieces begin with their space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import yaml
from pydantic import ValidationError

from stages.formats.chat.chats import Message, Part, Role
from stages.shared.errors import ConfigError, DataError, nearest
from stages.shared.files import sha256_file
from stages.shared.settings import Settings

FOLDER = Path(__file__).resolve().parents[3] / "templates" / "chat"
FIRST, END = "<first>", "</s>"
"""Items of every template: the first token of training, and the tokenizer's end of sequence."""
CONTENT = "{content}"
_MASKS = (b"\x00", b"\x01")
"""Masks of a token that is not learned, and of one that is."""
_ANY = "\x00"
"""Stands for any text."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_NO_MESSAGE = -1
"""Stands for the number of a message in a span that is part of none."""
SPACE = "\u2581"
"""A space in the names of pieces."""


class AssistantItems(Settings):
    """Items of an assistant's message."""

    before: tuple[str, ...] = ()
    """The prompt of an answer: what a sampler continues."""
    answer: tuple[str, ...]
    """What is learned: the answer and the token that ends it."""
    after: tuple[str, ...] = ()


class ChatTemplate(Settings):
    """A template as its file has it."""

    controls: tuple[str, ...] = ()
    """Control tokens that are added to the tokenizer's pieces, in the order of their ids."""
    begin: tuple[str, ...] = ()
    """Items before the first message."""
    default_system: str | None = None
    """System message of a conversation that has none."""
    system: tuple[str, ...] | None = None
    system_in_user: str | None = None
    """Text with {system} and {content}: the system message is part of the user's message after it."""
    user: tuple[str, ...]
    tool: tuple[str, ...] | None = None
    assistant: AssistantItems
    trim: bool = False
    """Remove white space at both ends of each message."""


class Codec(Protocol):
    """The part of a tokenizer that templates need."""

    @property
    def eos_id(self) -> int:
        """Id of the end of sequence."""

    def pieces(self) -> list[str]:
        """Return every piece in order of id; a space is U+2581."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A conversation as tokens."""

    ids: list[int]
    is_answer: bytearray
    """1 for the tokens that are learned: those of an answer and the token that ends it. 0 for the others."""


class _Span(NamedTuple):
    """A run of tokens, all learned or none: a control token, or a text of one message."""

    text: str
    control: bool
    learned: bool
    message: int


def template_names() -> list[str]:
    """Return the names of the shipped templates, in order."""
    return sorted(each.stem for each in FOLDER.glob("*.yaml"))


def template_path(name: str) -> Path:
    """Return the file of a template, by its name in templates/chat or its path. Raises ConfigError for neither."""
    path = Path(name).expanduser() if "/" in name or name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError("template", name, f"a file, or a template by name; {nearest(name, template_names())}")
    return path


def digest_of(name: str) -> str:
    """Return the SHA-256 of a template's file. Raises ConfigError if there is none."""
    return sha256_file(template_path(name))


def load_template(name: str) -> ChatTemplate:
    """Return a template by its name in templates/chat or by the path of a file.

    Raises ConfigError for a name that is none, and DataError for a file that is no template.
    """
    path = template_path(name)
    try:
        return ChatTemplate(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        line = re.sub(r"\s+", " ", str(error))[:200]
        raise DataError(path, f"not a chat template ({line})", "See templates/chat/chatml.yaml") from error


class ChatEncoder:
    """Encodes conversations by a template with a tokenizer."""

    def __init__(self, template: ChatTemplate, codec: Codec, controls: Mapping[str, int], first_id: int) -> None:
        """`controls` has the id of each control token.

        Raises ConfigError for a control token without id, and for a template that this tokenizer cannot cut safely.
        """
        self._template, self._codec = template, codec
        if missing := [name for name in template.controls if name not in controls]:
            raise ConfigError("template.controls", missing, "among the model's extra_tokens")
        self._ids = {**controls, FIRST: first_id, END: codec.eos_id}
        self._controls = {
            (name, learned): _Span(name, True, learned, _NO_MESSAGE) for name in self._ids for learned in (False, True)
        }
        self._lead = codec.encode("\n")
        texts = [Message(role=role, parts=(Part(type="text", text=_ANY),)) for role in self._roles() * 2]
        _require_safe_cuts(template, _cut(self._spans(texts, last_only=False)), codec.pieces())

    def _roles(self) -> list[Role]:
        """Return the roles of the template, an answer last."""
        template = self._template
        has_system = template.system is not None or template.system_in_user is not None
        has: dict[Role, bool] = {"system": has_system, "tool": template.tool is not None}
        return [*(role for role, there in has.items() if there), "user", "assistant"]

    def encode(self, messages: Sequence[Message], *, last_only: bool = False) -> Encoded:
        """Return the tokens of a conversation; with `last_only` the last answer alone is learned.

        The tokens of the first k messages are a prefix of those of all. Raises ValueError for a role that the template
        lacks, and for a message that is not plain text.
        """
        return self._encoded(_cut(self._spans(messages, last_only)))

    def prompt(self, messages: Sequence[Message], begun: str = "") -> list[int]:
        """Return the tokens that a sampler continues: the conversation and the begin of the assistant's answer.

        `begun` is the text with which the answer begins. Spaces at its end are kept.
        """
        return self._encoded(_cut(self._prompt_spans(messages, begun), keeps_end=bool(begun))).ids

    def prompt_text(self, messages: Sequence[Message], begun: str = "") -> str:
        """Return a prompt as text, for people to read: control tokens by their names."""
        spans = _cut(self._prompt_spans(messages, begun), keeps_end=bool(begun))
        return "".join("" if span.text == FIRST and span.control else span.text for span in spans)

    @property
    def end_id(self) -> int | None:
        """The token that ends an answer; None: the template has none."""
        answer = self._template.assistant.answer
        return next((self._ids[item] for item in reversed(answer) if item in self._ids), None)

    def _prompt_spans(self, messages: Sequence[Message], begun: str) -> list[_Span]:
        spans = self._spans(messages, last_only=False)
        spans += self._items(self._template.assistant.before, "", len(messages))
        if begun:
            answer = self._template.assistant.answer
            place = next(place for place, item in enumerate(answer) if CONTENT in item)
            opening = (*answer[:place], answer[place].partition(CONTENT)[0] + CONTENT)
            spans += self._items(opening, begun, len(messages), learned=True)
        return spans

    def _encoded(self, spans: Iterable[_Span]) -> Encoded:
        ids: list[int] = []
        is_answer = bytearray()
        in_text = False
        for span in spans:
            found = [self._ids[span.text]] if span.control else self._text_ids(span.text, in_text)
            in_text = not span.control
            ids += found
            is_answer += _MASKS[span.learned] * len(found)
        return Encoded(ids=ids, is_answer=is_answer)

    def _text_ids(self, text: str, continues: bool) -> list[int]:
        """Return the ids of a text; of one that continues a text, without the space that tokenizers put first."""
        return self._codec.encode("\n" + text)[len(self._lead) :] if continues else self._codec.encode(text)

    def _spans(self, messages: Sequence[Message], last_only: bool) -> list[_Span]:
        template = self._template
        contents = _contents(template, messages)
        answers = [number for number, (role, _) in enumerate(contents) if role == "assistant"]
        spans = self._items(template.begin, "", _NO_MESSAGE)
        for number, (role, content) in enumerate(contents):
            if role == "assistant":
                learned = number == answers[-1] or not last_only
                spans += self._items(template.assistant.before, "", number)
                spans += self._items(template.assistant.answer, content, number, learned=learned)
                spans += self._items(template.assistant.after, "", number)
            else:
                spans += self._items(_items_of(template, role), content, number)
        return spans

    def _items(self, items: Iterable[str], content: str, message: int, *, learned: bool = False) -> list[_Span]:
        return [
            self._controls.get((item, learned)) or _Span(item.replace(CONTENT, content), False, learned, message)
            for item in items
        ]


def _items_of(template: ChatTemplate, role: Role) -> tuple[str, ...]:
    items = {"system": template.system, "user": template.user, "tool": template.tool}[role]
    if items is None:
        raise ValueError(f"the template has no role {role}")
    return items


def _contents(template: ChatTemplate, messages: Sequence[Message]) -> list[tuple[Role, str]]:
    """Return each message's role and text, with the system message where the template has it."""
    found = [(message.role, message.text.strip() if template.trim else message.text) for message in messages]
    if template.default_system is not None and (not found or found[0][0] != "system"):
        found.insert(0, ("system", template.default_system))
    if template.system_in_user is None:
        return found
    folded: list[tuple[Role, str]] = []
    system = None
    for role, text in found:
        if role == "system":
            system = text
        elif role == "user" and system is not None:
            folded.append((role, _fold(template.system_in_user, {"{system}": system, CONTENT: text})))
            system = None
        else:
            folded.append((role, text))
    return folded


def _fold(form: str, texts: Mapping[str, str]) -> str:
    """Return the form with its places filled, in one pass: a text may itself look like a place."""
    return re.sub(r"\{system\}|\{content\}", lambda place: texts[place[0]], form)


def _cut(spans: Iterable[_Span], *, keeps_end: bool = False) -> list[_Span]:
    """Join texts that need no cut between them, and move spaces before a cut behind it.

    Spaces at the end of all are a cut's too, unless `keeps_end`.
    """
    joined: list[_Span] = []
    for span in spans:
        before = joined[-1] if joined else None
        if before is None or before.control or span.control:
            joined.append(span)
        elif (before.learned, before.message) == (span.learned, span.message):
            joined[-1] = before._replace(text=before.text + span.text)
        else:
            kept = before.text.rstrip(" ")
            joined[-1] = before._replace(text=kept)
            joined.append(span._replace(text=before.text[len(kept) :] + span.text))
    if joined and not joined[-1].control and not keeps_end:
        joined[-1] = joined[-1]._replace(text=joined[-1].text.rstrip(" "))
    return [span for span in joined if span.text]


def _require_safe_cuts(template: ChatTemplate, probe: Sequence[_Span], pieces: Sequence[str]) -> None:
    """Raise ConfigError if a piece of the tokenizer could lie across a cut. `probe` has _ANY in the place of texts."""

    def stands_for(letter: str, found: str) -> bool:
        return letter == found or (letter == _ANY and not (template.trim and found.isspace()))

    def lies_across(piece: str, left: str, right: str) -> bool:
        return any(stands_for(left, one) and stands_for(right, other) for one, other in pairwise(piece))

    plain = [piece.replace(SPACE, " ") for piece in pieces if not _BYTE.fullmatch(piece)]
    for left, right in pairwise(probe):
        if left.control or right.control:
            continue
        across = next((piece for piece in plain if lies_across(piece, left.text[-1], right.text[0])), None)
        if across is not None:
            cut = f"{left.text[-20:]}|{right.text[:20]}".replace(_ANY, CONTENT)
            raise ConfigError(
                "template", cut, f"cut where no piece of the tokenizer can lie, and {across!r} can. Use a control token"
            )


def to_jinja(template: ChatTemplate, first: str) -> str:
    """Return the template as `transformers` writes it, for a tokenizer whose first token is named `first`.

    `apply_chat_template` then gives the ids of ChatEncoder.encode, and with add_generation_prompt those of `prompt`. It
    reads a control token's name in a message as that token, which ChatEncoder does not.
    """
    names = {FIRST: first}

    def shown(items: Sequence[str], content: str) -> str:
        parts = [part for item in items for part in re.split(r"(\{content\})", names.get(item, item)) if part]
        words = [content if part == CONTENT else json.dumps(part, ensure_ascii=False) for part in parts]
        return "{{ " + " + ".join(words) + " }}" if words else ""

    content = "content | trim" if template.trim else "content"
    content = f"({content})"
    lines = [shown(template.begin, "")]
    if template.default_system is not None and template.system is not None:
        default = shown(template.system, json.dumps(template.default_system))
        lines.append(f"{{% if not messages or messages[0]['role'] != 'system' %}}{default}{{% endif %}}")
    folded = template.system_in_user
    lines.append("{% set ns = namespace(system=none) %}" if folded else "")
    lines.append("{% for message in messages %}{% set content = message['content'] %}")
    if folded:
        lines.append("{% if message['role'] == 'system' %}{% set ns.system = " + content + " %}{% endif %}")
        words = re.split(r"(\{system\}|\{content\})", folded)
        joined = " + ".join({"{system}": "ns.system", CONTENT: content}.get(word, json.dumps(word)) for word in words)
        lines.append("{% if message['role'] == 'user' and ns.system is not none %}{% set content = " + joined)
        lines.append(" %}{% set ns.system = none %}{% endif %}")
    answer = template.assistant
    by_role = {"system": template.system, "user": template.user, "tool": template.tool}
    by_role["assistant"] = answer.before + answer.answer + answer.after
    lines += [
        f"{{% if message['role'] == '{role}' %}}{shown(items, content)}{{% endif %}}"
        for role, items in by_role.items()
        if items is not None
    ]
    prompt = [*answer.before[:-1], *(item.rstrip(" ") for item in answer.before[-1:])]
    lines.append("{% endfor %}{% if add_generation_prompt %}" + shown(prompt, "") + "{% endif %}")
    return "".join(lines)
