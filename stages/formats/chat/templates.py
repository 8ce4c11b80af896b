"""Chat templates: which tokens a conversation becomes, and which of them are learned. Ids and mask are made together.

A template is a file of templates/chat. It lists, for each role, items: a control token by its name, or a text in which
{content} stands for the message. The items `answer` of the assistant are learned, and nothing else is. `<first>` is the
token that the model was trained to see first.

A picture of a message is a run of PICTURE tokens, as many as it has positions for the model, a sound one of SOUND
tokens; neither is ever learned.

Every text is encoded where the template cuts it, so a mask cannot disagree with its ids, and text of a user can never
become a control token. A cut is allowed only where the tokenizer puts no piece across it, whatever the text: then the
ids are also those of the whole text, as `transformers` encodes it (see `to_jinja`). Spaces before a cut move behind it,
because pieces begin with their space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

import yaml
from pydantic import ValidationError, model_validator

from stages.formats.chat.chats import Message, Part, PartType, Role
from stages.formats.pieces import SPACE
from stages.shared.errors import ConfigError, DataError, nearest
from stages.shared.files import sha256_file
from stages.shared.settings import Settings

FOLDER = Path(__file__).resolve().parents[3] / "templates" / "chat"
FIRST, END = "<first>", "</s>"
"""Items of every template: the first token of training, and the tokenizer's end of sequence."""
PICTURE = "<image>"
"""Control token of a picture's positions, as LLaVA names it. The same letters in a text are letters."""
SOUND = "<audio>"
"""Control token of a sound's positions."""
PERCEIVED: Mapping[PartType, str] = MappingProxyType({"picture": PICTURE, "audio": SOUND})
"""Control tokens by the type of the part of a message that they stand for."""
CONTENT = "{content}"
_MASKS = (b"\x00", b"\x01")
"""Masks of a token that is not learned, and of one that is."""
_ANY = "\x00"
"""Stands for any text."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class AssistantItems(Settings):
    """Items of an assistant's message."""

    before: tuple[str, ...] = ()
    """The prompt of an answer: what a sampler continues."""
    answer: tuple[str, ...]
    """What is learned: the answer and the token that ends it."""
    after: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _answer_has_the_content(self) -> AssistantItems:
        if sum(item.count(CONTENT) for item in self.answer) != 1:
            raise ValueError(f"assistant.answer: must hold {CONTENT} once")
        if any(CONTENT in item for item in self.before + self.after):
            raise ValueError(f"assistant.before and assistant.after: must not hold {CONTENT}")
        return self


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
    """Conversations as tokens, end to end."""

    ids: list[int]
    is_answer: bytearray
    """1 for the tokens that are learned: those of an answer and the token that ends it. 0 for the others."""
    lengths: list[int]
    """Tokens of each conversation."""


class Span(NamedTuple):
    """A run of tokens, all learned or none: a control token, a picture, or a text of one message."""

    text: str
    """The text, the name of the control token, or the key of the picture."""
    control: int | None
    """Id of the control token; None: a text."""
    learned: bool
    times: int = 1
    """Times that the control token stands in a row: the positions of a picture."""


Content = str | tuple[str | Span, ...]
"""A message without its role: a text, or texts, pictures and sounds in order."""
PositionsOf = Callable[[str], int]
"""Returns the positions that the picture or sound of a key takes. Raises Reject if there is none."""


class _Form(NamedTuple):
    """A message as spans, with CONTENT in the place of its text. No two neighbours could be one span."""

    spans: list[Span]
    texts: list[int]
    """Places of the spans that are texts."""


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


def require_controls(template: str, controls: Iterable[str], extra_tokens: Sequence[str]) -> None:
    """Raise ConfigError if a model's `extra_tokens` lack control tokens of a template."""
    if absent := [name for name in controls if name not in extra_tokens]:
        wanted = f"a list with the control tokens of template {template}, {', '.join(absent)} too"
        raise ConfigError("model.extra_tokens", [*extra_tokens], wanted)


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

    def __init__(
        self,
        template: ChatTemplate,
        codec: Codec,
        controls: Mapping[str, int],
        first_id: int,
        positions_of: PositionsOf | None = None,
    ) -> None:
        """`controls` has the id of each control token, that of PICTURE or SOUND too if messages may have these, whose
        positions `positions_of` returns. None: they are refused.

        Raises ConfigError for a control token without id, and for a template that this tokenizer cannot cut safely.
        """
        self._template, self._codec = template, codec
        self._positions_of = positions_of
        self._perceived = {kind: controls[name] for kind, name in PERCEIVED.items() if name in controls}
        if missing := [name for name in template.controls if name not in controls]:
            raise ConfigError("template.controls", missing, "among the model's extra_tokens")
        self._ids = {**controls, FIRST: first_id, END: codec.eos_id}
        assistant = template.assistant
        self._begin = self._form((template.begin, False)).spans
        self._before = self._form((assistant.before, False))
        items = {"system": template.system or (), "user": template.user, "tool": template.tool or ()}
        self._forms = {role: self._form((each, False)) for role, each in items.items() if each}
        self._answers = [
            self._form((assistant.before, False), (assistant.answer, learned), (assistant.after, False))
            for learned in (False, True)
        ]
        self._lead = len(codec.encode("\n"))
        texts = [Message(role=role, parts=(Part(type="text", text=_ANY),)) for role in self._roles() * 2]
        _require_safe_cuts(template, self.cut(texts), codec.pieces())

    def _form(self, *runs: tuple[Sequence[str], bool]) -> _Form:
        """Return the form of runs of items, each with whether it is learned."""
        found: list[Span] = []
        for items, learned in runs:
            for item in items:
                control = self._ids.get(item)
                before = found[-1] if found else None
                if control is None and before and before.control is None and before.learned == learned:
                    found[-1] = before._replace(text=before.text + item)
                else:
                    found.append(Span(item, control, learned))
        return _Form(found, [place for place, span in enumerate(found) if span.control is None])

    def _roles(self) -> list[Role]:
        """Return the roles of the template, an answer last."""
        template = self._template
        has_system = template.system is not None or template.system_in_user is not None
        has: dict[Role, bool] = {"system": has_system, "tool": template.tool is not None}
        return [*(role for role, there in has.items() if there), "user", "assistant"]

    def encode(self, messages: Sequence[Message], *, last_only: bool = False) -> Encoded:
        """Return the tokens of a conversation: see `cut`.

        Those of the first k messages are a prefix of those of all.
        """
        return self.encode_all([self.cut(messages, last_only=last_only)], self._one_by_one)

    def cut(self, messages: Sequence[Message], *, last_only: bool = False) -> list[Span]:
        """Return a conversation where the template cuts it; with `last_only` the last answer alone is learned.

        Raises ValueError for a role that the template lacks, and for a part of a message that has no tokens here.
        """
        return _closed(self._spans(messages, last_only))

    def encode_all(
        self, conversations: Sequence[Sequence[Span]], encode_texts: Callable[[list[str]], Iterable[list[int]]]
    ) -> Encoded:
        """Return the tokens of conversations as `cut` returns them.

        `encode_texts` returns the ids of many texts, each as the codec's `encode` does.
        """
        texts: list[str] = []
        skipped: list[int] = []
        for spans in conversations:
            is_behind_text = False
            for text, control, *_ in spans:
                if control is None:
                    # Tokenizers put a space before a text. A line break takes it, and is skipped with it.
                    texts.append("\n" + text if is_behind_text else text)
                    skipped.append(self._lead if is_behind_text else 0)
                is_behind_text = control is None
        return _joined(conversations, zip(encode_texts(texts), skipped, strict=True))

    def _one_by_one(self, texts: list[str]) -> list[list[int]]:
        return [self._codec.encode(text) for text in texts]

    def prompt(self, messages: Sequence[Message], begun: str = "") -> list[int]:
        """Return the tokens that a sampler continues: the conversation and the begin of the assistant's answer.

        `begun` is the text with which the answer begins. Spaces at its end are kept.
        """
        spans = _closed(self._prompt_spans(messages, begun), keeps_end=bool(begun))
        return self.encode_all([spans], self._one_by_one).ids

    def prompt_text(self, messages: Sequence[Message], begun: str = "") -> str:
        """Return a prompt as text, for people to read: control tokens by their names."""
        spans = _closed(self._prompt_spans(messages, begun), keeps_end=bool(begun))
        return "".join(text for text, control, *_ in spans if control is None or text != FIRST)

    @property
    def perceived(self) -> Mapping[PartType, int]:
        """The ids that stand for pictures or sounds, by the type of the part of a message."""
        return self._perceived

    @property
    def end_id(self) -> int | None:
        """The token that ends an answer; None: the template has none."""
        answer = self._template.assistant.answer
        return next((self._ids[item] for item in reversed(answer) if item in self._ids), None)

    def _prompt_spans(self, messages: Sequence[Message], begun: str) -> list[Span]:
        spans = self._spans(messages, last_only=False)
        _fill(spans, self._before, "")
        if begun:
            answer = self._template.assistant.answer
            place = next(place for place, item in enumerate(answer) if CONTENT in item)
            opening = (*answer[:place], answer[place].partition(CONTENT)[0] + CONTENT)
            _fill(spans, self._form((opening, True)), begun)
        return spans

    def _spans(self, messages: Sequence[Message], last_only: bool) -> list[Span]:
        contents = _contents(self._template, [(each.role, self._content(each)) for each in messages])
        first = 0  # of the answers that are learned
        if last_only:
            first = max((number for number, (role, _) in enumerate(contents) if role == "assistant"), default=0)
        spans = [*self._begin]
        for number, (role, content) in enumerate(contents):
            if role == "assistant":
                _fill(spans, self._answers[number >= first], content)
            elif role in self._forms:
                _fill(spans, self._forms[role], content)
            else:
                raise ValueError(f"the template has no role {role}")
        return spans

    def _content(self, message: Message) -> Content:
        parts = message.parts
        if self._positions_of is None or all(part.type == "text" for part in parts):
            return message.text.strip() if self._template.trim else message.text
        pieces = [
            self._run(part) if part.type in self._perceived else Message(message.role, (part,)).text for part in parts
        ]
        return _trimmed(pieces) if self._template.trim else tuple(pieces)

    def _run(self, part: Part) -> Span:
        assert self._positions_of is not None  # the caller's condition
        return Span(part.key, self._perceived[part.type], learned=False, times=self._positions_of(part.key))


def _trimmed(pieces: Sequence[str | Span]) -> tuple[str | Span, ...]:
    """Return the pieces of a message without white space at both ends."""
    first, *rest = pieces
    found = [first.lstrip() if isinstance(first, str) else first, *rest]
    last = found[-1]
    return (*found[:-1], last.rstrip() if isinstance(last, str) else last)


def _fill(spans: list[Span], form: _Form, content: Content) -> None:
    """Append a message to spans. Spaces before a cut between two texts move behind it."""
    if not isinstance(content, str):
        for span in form.spans:
            for each in _spread(span, content):
                _append(spans, each)
        return
    start = len(spans)
    spans += form.spans
    for place in form.texts:
        text, _, learned, _ = form.spans[place]
        text = text.replace(CONTENT, content)
        before = spans[start + place - 1] if start + place else None
        if before and before.control is None:
            kept = before.text.rstrip(" ")
            spans[start + place - 1] = before._replace(text=kept)
            text = before.text[len(kept) :] + text
        spans[start + place] = Span(text, None, learned)


def _append(spans: list[Span], span: Span) -> None:
    """Append a span. Spaces before a cut between two texts move behind it."""
    before = spans[-1] if spans else None
    if span.control is None and before and before.control is None:
        kept = before.text.rstrip(" ")
        spans[-1] = before._replace(text=kept)
        span = span._replace(text=before.text[len(kept) :] + span.text)
    spans.append(span)


def _spread(span: Span, content: Sequence[str | Span]) -> list[Span]:
    """Return a span of a form with the pieces of a message in the place of its CONTENT. Neighbouring texts are one."""
    if span.control is not None:
        return [span]
    first, *others = span.text.split(CONTENT)
    pieces: list[str | Span] = [first]
    for other in others:
        pieces += [*content, other]
    found = (piece for piece in _joined_texts(pieces) if piece)
    return [each if isinstance(each, Span) else Span(each, None, span.learned) for each in found]


def _joined_texts(pieces: Iterable[str | Span]) -> list[str | Span]:
    """Return pieces with neighbouring texts as one."""
    found: list[str | Span] = []
    for piece in pieces:
        if found and isinstance(piece, str) and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _closed(spans: list[Span], *, keeps_end: bool = False) -> list[Span]:
    """Return the spans of a conversation without empty ones.

    Spaces at the end of all are those before a cut, unless `keeps_end`.
    """
    if spans and spans[-1].control is None and not keeps_end:
        spans[-1] = spans[-1]._replace(text=spans[-1].text.rstrip(" "))
    return [span for span in spans if span.text]


def _joined(conversations: Iterable[Iterable[Span]], texts: Iterator[tuple[list[int], int]]) -> Encoded:
    """Return the tokens of conversations, given the ids of their texts in order, and how many of each to skip."""
    ids: list[int] = []
    is_answer = bytearray()
    lengths = []
    for spans in conversations:
        start = len(ids)
        for _, control, learned, times in spans:
            if control is None:
                found, skipped = next(texts)
                ids += found[skipped:] if skipped else found
            elif times == 1:
                ids.append(control)
            else:
                ids += [control] * times
            is_answer += _MASKS[learned] * (len(ids) - len(is_answer))
        lengths.append(len(ids) - start)
    return Encoded(ids=ids, is_answer=is_answer, lengths=lengths)


def _contents(template: ChatTemplate, messages: Sequence[tuple[Role, Content]]) -> list[tuple[Role, Content]]:
    """Return each message's role and content, with the system message where the template has it."""
    found = [*messages]
    if template.default_system is not None and (not found or found[0][0] != "system"):
        found.insert(0, ("system", template.default_system))
    if template.system_in_user is None:
        return found
    folded: list[tuple[Role, Content]] = []
    system: Content | None = None
    for role, content in found:
        if role == "system":
            system = content
        elif role == "user" and system is not None:
            folded.append((role, _fold(template.system_in_user, {"{system}": system, CONTENT: content})))
            system = None
        else:
            folded.append((role, content))
    return folded


def _fold(form: str, contents: Mapping[str, Content]) -> Content:
    """Return the form with its places filled, in one pass: a text may itself look like a place."""
    pieces: list[str | Span] = []
    for word in re.split(r"(\{system\}|\{content\})", form):
        content = contents.get(word, word)
        pieces += (content,) if isinstance(content, str) else content
    found = _joined_texts(pieces)
    return found[0] if len(found) == 1 and isinstance(found[0], str) else tuple(found)


def _require_safe_cuts(template: ChatTemplate, probe: Sequence[Span], pieces: Sequence[str]) -> None:
    """Raise ConfigError if a piece of the tokenizer could lie across a cut. `probe` has _ANY in the place of texts."""

    def stands_for(letter: str, found: str) -> bool:
        return letter == found or (letter == _ANY and not (template.trim and found.isspace()))

    def lies_across(piece: str, left: str, right: str) -> bool:
        return any(stands_for(left, one) and stands_for(right, other) for one, other in pairwise(piece))

    plain = [piece.replace(SPACE, " ") for piece in pieces if not _BYTE.fullmatch(piece)]
    for left, right in pairwise(probe):
        if left.control is not None or right.control is not None:
            continue
        across = next((piece for piece in plain if lies_across(piece, left.text[-1], right.text[0])), None)
        if across is not None:
            cut = f"{left.text[-20:]}|{right.text[:20]}".replace(_ANY, CONTENT)
            raise ConfigError(
                "template", cut, f"cut where no piece of the tokenizer can lie, and {across!r} can. Use a control token"
            )


_JOINED = (
    "{% if content is not string %}{% set joined = namespace(text='') %}{% for part in content %}"
    "{% set joined.text = joined.text + ('" + PICTURE + "' if part['type'] == 'image' else part['text']) %}"
    "{% endfor %}{% set content = joined.text %}{% endif %}"
)
"""Makes one text of a message's parts."""


def to_jinja(template: ChatTemplate, first: str, *, pictures: bool = False) -> str:
    """Return the template as `transformers` writes it, for a tokenizer whose first token is named `first`.

    With `pictures` a message's content may be a list of parts: those of type `image` become PICTURE.

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
    lines.append(_JOINED if pictures else "")
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
