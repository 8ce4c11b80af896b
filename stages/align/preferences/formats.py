"""Published formats of comparisons: a record's prompt, its responses and their ranks, before they are checked."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from stages.align.preferences.config import Format
from stages.align.preferences.votes import askell_score, whole
from stages.formats.chat.chats import Message, text_message
from stages.formats.chat.rejects import Reject
from stages.formats.preferences import Response, dense_ranks, parse_preference
from stages.formats.published.trees import MAX_DEPTH, Node, is_good, turn_of
from stages.formats.published.turns import Turn, role_of, text_of

SPOKEN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
"""Begins a turn of a dialogue of hh-rlhf."""


@dataclass(frozen=True)
class Comparison:
    """A ranking as it was published."""

    prompt: Sequence[Turn] | tuple[Message, ...]
    """Turns that are to be checked, or messages that are."""
    responses: Sequence[Response]
    ranks: Sequence[int]
    ranked_by: str = "people"
    reasons: tuple[str, ...] = ()


def comparisons(record: Any, format_: Format, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the comparisons of a record. Raises Reject for a record that gives none, or no more.

    Adds what was mended to `mended`, by reason.
    """
    if not isinstance(record, Mapping):
        raise Reject("not_an_object", repr(record))
    try:
        yield from _READERS[format_](record, mended)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Reject("other_format", f"{type(error).__name__}: {error}") from error


def _asked(text: str) -> list[Turn]:
    return [Turn("user", text)]


def _hh_rlhf(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the pair that follows the turns that both dialogues begin with: the Assistant's turns there.

    The dialogues of a few published records differ before their last turn. They are cut behind the first difference.
    """
    better, worse = (_dialogue(text_of(record[name], name), mended) for name in ("chosen", "rejected"))
    common = [a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(better, worse, strict=False))]
    place = len(common)
    if better == worse:
        raise Reject("same_responses", _shown(better[-1:]))
    if len(better) <= place or len(worse) <= place or {better[place].role, worse[place].role} != {"assistant"}:
        raise Reject("prompts_differ", f"{_shown(better[place:])} / {_shown(worse[place:])}")
    if max(len(better), len(worse)) > place + 1:
        mended["cut_where_the_prompts_differ"] += 1
    yield Comparison(common, [Response(each[place].text) for each in (better, worse)], (1, 2))


def _dialogue(text: str, mended: Counter[str]) -> list[Turn]:
    """Return the turns of a dialogue; neighbours of one role become one turn."""
    before, *pieces = SPOKEN.split(text)
    if before.strip() or not pieces:
        raise Reject("no_dialogue", text)
    turns: list[Turn] = []
    for name, said in zip(pieces[::2], pieces[1::2], strict=True):
        turn = Turn(role_of(name), said.strip())
        if turns and turns[-1].role == turn.role:
            mended["joined_turns_of_one_role"] += 1
            turns[-1] = Turn(turn.role, f"{turns[-1].text}\n\n{turn.text}".strip())
        else:
            turns.append(turn)
    return turns


def _shp(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the pair of a record of SHP: `labels` is 1 if A is preferred."""
    label = record["labels"]
    if label not in (0, 1) or isinstance(label, bool):
        raise Reject("unknown_label", repr(label))
    responses = [Response(text_of(record[name], name)) for name in ("human_ref_A", "human_ref_B")]
    yield Comparison(_asked(text_of(record["history"], "history")), responses, (2 - label, 1 + label))


def _stackexchange(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the answers of a question by Askell's score: of their votes, or as `pm_score` gives it."""
    answers = record["answers"]
    scores = [
        whole(each["pm_score"], "pm_score")
        if "pm_score" in each
        else askell_score(whole(each["score"], "score"), bool(each.get("accepted", each.get("is_accepted", False))))
        for each in answers
    ]
    question = text_of(record.get("title"), "title").strip(), text_of(record["question"], "question").strip()
    yield _scored("\n\n".join(filter(None, question)), [each["text"] for each in answers], scores)


def _reddit(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the comments of a post by their votes; those whose text was removed are left out, and counted."""
    comments = [each for each in record["comments"] if each["body"] not in ("[deleted]", "[removed]")]
    if removed := len(record["comments"]) - len(comments):
        mended["removed_comments"] += removed
    post = text_of(record["title"], "title").strip(), text_of(record.get("selftext"), "selftext").strip()
    scores = [whole(each["score"], "score") for each in comments]
    yield _scored("\n\n".join(filter(None, post)), [each["body"] for each in comments], scores)


def _wikipedia(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the text that stayed over the one that was reverted."""
    responses = [Response(text_of(record[name], name), name) for name in ("kept", "reverted")]
    yield Comparison(_asked(text_of(record["prompt"], "prompt")), responses, (1, 2))


def _oasst(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the ranked replies of the assistant to each question of a tree."""
    root = record.get("prompt", record)
    if not is_good(root):
        raise Reject("rejected_in_review", text_of(root.get("text"), "text"))
    paths: list[tuple[Node, list[Turn]]] = [(root, [turn_of(root)])]
    found = 0
    while paths:
        node, turns = paths.pop()
        if len(turns) > MAX_DEPTH:
            raise Reject("too_deep", turns[0].text)
        replies = [(each, turn_of(each)) for each in node.get("replies") or () if is_good(each)]
        paths += ((each, [*turns, turn]) for each, turn in reversed(replies))
        answers = [(each.get("rank"), turn) for each, turn in replies if turn.role == "assistant"]
        ranked = [(rank, turn) for rank, turn in answers if rank is not None]
        mended["replies_without_a_rank"] += len(answers) - len(ranked)
        if len(ranked) > 1:
            found += 1
            ranks = dense_ranks([-whole(rank, "rank") for rank, _ in ranked])
            yield Comparison(turns, [Response(turn.text) for _, turn in ranked], ranks)
    if not found:
        raise Reject("no_ranked_replies", text_of(root.get("text"), "text"))


def _ultrafeedback(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    """Yield the completions of an instruction by their overall score, else by the mean of their ratings."""
    completions = record["completions"]
    scores = [_judged(each) for each in completions]
    responses = [
        Response(text_of(each["response"], "response"), text_of(each.get("model"), "model")) for each in completions
    ]
    _require_two(responses)
    prompt = _asked(text_of(record["instruction"], "instruction"))
    yield Comparison(prompt, responses, dense_ranks(scores), "gpt-4")


def _judged(completion: Node) -> float:
    ratings = (
        [completion["overall_score"]]
        if completion.get("overall_score") is not None
        else [each["Rating"] for each in completion["annotations"].values()]
    )
    numbers = [float("nan" if rating == "N/A" else rating) for rating in ratings]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise Reject("no_rating", repr(ratings))
    return sum(numbers) / len(numbers)


def _stagecoach(record: Node, mended: Counter[str]) -> Iterator[Comparison]:
    own = parse_preference(record)
    yield Comparison(own.prompt, own.responses, own.ranks, own.ranked_by, own.reasons)


def _scored(question: str, texts: Sequence[Any], scores: Sequence[float]) -> Comparison:
    responses = [Response(text_of(text, "text")) for text in texts]
    _require_two(responses)
    return Comparison(_asked(question), responses, dense_ranks(scores))


def _require_two(responses: Sequence[Response]) -> None:
    if len(responses) < 2:
        raise Reject("fewer_than_two_responses", " | ".join(each.text for each in responses))


def _shown(turns: Sequence[Turn]) -> str:
    return " | ".join(f"{turn.role}: {turn.text}" for turn in turns)


def checked(comparison: Comparison) -> tuple[Message, ...]:
    """Return the messages of the prompt, stripped. Raises Reject for a comparison that teaches nothing."""
    prompt = tuple(
        each if isinstance(each, Message) else text_message(each.role, each.text.strip()) for each in comparison.prompt
    )
    if not prompt or prompt[-1].role not in ("user", "tool"):
        raise Reject("no_question", " | ".join(str(each) for each in prompt))
    if any(part.type == "text" and not part.text.strip() for part in prompt[-1].parts):
        raise Reject("blank_question")
    if len(set(comparison.ranks)) < 2:
        raise Reject("all_tied", " | ".join(each.text for each in comparison.responses))
    if len({each.text for each in comparison.responses}) < 2:
        raise Reject("same_responses", comparison.responses[0].text)
    return prompt


_READERS: Mapping[Format, Callable[[Node, Counter[str]], Iterator[Comparison]]] = {
    "hh_rlhf": _hh_rlhf,
    "shp": _shp,
    "stackexchange": _stackexchange,
    "stackexchange_posts": _stackexchange,
    "reddit": _reddit,
    "wikipedia": _wikipedia,
    "oasst": _oasst,
    "ultrafeedback": _ultrafeedback,
    "stagecoach": _stagecoach,
}
