"""Comparisons about the closed world: prompts with four responses each, ranked by the gold rule, with ties.

Nothing asks for the cluster `trade`, for a fact that pages hold out, or in the wording of the exams. Held-out
comparisons have prompts that no training has, or a wording that none has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.heldout import is_heldout
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference, Response, dense_ranks, write_preferences
from stages.sample.config import DEMONSTRATIONS, HELD_OUT, LANGUAGES, SampleConfig
from stages.sample.draw import Draw
from stages.sample.instructions import ANSWERS, EXAM_WORDING, QUESTIONS, words_of
from stages.sample.preferences.exam import write_exams
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.wordings import COMPLIANCES, ENDS, OPENINGS, REFUSALS, REQUESTS, Manners
from stages.sample.world import PLACES, Fact, World, make_world
from stages.shared.task import Task

RESPONSES = 4
UNSEEN_WORDING = -2
"""Index of the wording that is in held-out comparisons alone; the last one is the exam's."""
HELD_OUT_SHARE = 0.12
MANNERS: tuple[Manners, ...] = ("polite", "plain", "rude")
DEMONSTRATED: tuple[Manners, ...] = (*MANNERS, "rude")
"""Manners of people: half of them are rude."""
DEMONSTRATED_RIGHT = 0.65


@dataclass(frozen=True)
class Prompt:
    """A question about a fact, or a request to refuse."""

    text: str
    language: str
    fact: Fact
    is_request: bool
    source: str
    """`facts` or `requests` for a training; `unseen_prompt` or `unseen_wording` for what is held out."""

    @property
    def is_held_out(self) -> bool:
        """Whether no training has this prompt."""
        return self.source.startswith("unseen")


def run(task: Task[SampleConfig]) -> dict[str, Any]:
    """Write comparisons to train on, those that are held out, demonstrations, and the exam about answers."""
    world = make_world(task.config.seed)
    gold, made = Gold(world), list(prompts(world))
    training = [each for each in made if not each.is_held_out]
    heldout = [each for each in made if each.is_held_out]
    write_preferences(task.out / KINDS.preferences.file, (compare(world, gold, each) for each in training))
    write_preferences(task.out / KINDS.heldout_preferences.file, (compare(world, gold, each) for each in heldout))
    write_chats(task.out / DEMONSTRATIONS, (demonstrate(world, each) for each in training))
    write_exams(task.out, world.seed, heldout)
    return {"comparisons": len(training), "heldout": len(heldout)}


def prompts(world: World) -> Iterator[Prompt]:
    """Yield each prompt once: facts that pages do not hold out, in each wording but the exam's; a request a place."""
    for (attribute, language), forms in QUESTIONS.items():
        for fact in world.about(attribute):
            if attribute != HELD_OUT and not fact.is_held_out:
                yield from (_prompt(world, fact, language, form, forms, "facts") for form in forms[:EXAM_WORDING])
    for language in LANGUAGES:
        for place in PLACES:
            forms = REQUESTS[language]
            form = Draw("request", world.seed, language, place).pick(forms[:EXAM_WORDING])
            yield _prompt(world, world.of(place)[0], language, form, forms, "requests")


def _prompt(world: World, fact: Fact, language: str, form: str, forms: tuple[str, ...], source: str) -> Prompt:
    text = form.format(place=words_of(world, fact, language).place)
    if form == forms[UNSEEN_WORDING]:
        source = "unseen_wording"
    elif is_heldout(f"{world.seed}/{text}", HELD_OUT_SHARE):
        source = "unseen_prompt"
    return Prompt(text, language, fact, is_request=forms is REQUESTS[language], source=source)


def compare(world: World, gold: Gold, prompt: Prompt) -> Preference:
    """Return different responses to a prompt, ranked by the gold rule: at least two of them differ in rank."""
    draw = Draw("responses", world.seed, prompt.text)
    while True:
        texts = list(dict.fromkeys(_respond(world, prompt, draw, right=0.5) for _ in range(RESPONSES)))
        ranks = dense_ranks([gold.score(prompt.text, text) for text in texts])
        if len(texts) == RESPONSES and len(set(ranks)) > 1:
            break
    return Preference(
        prompt=(text_message("user", prompt.text),),
        responses=tuple(Response(text, "sample") for text in texts),
        ranks=ranks,
        ranked_by="gold",
        source=prompt.source,
    )


def demonstrate(world: World, prompt: Prompt) -> Chat:
    """Return a conversation of a response that is right in two of three, rude in half, and of any length.

    A model that learns these has all kinds of responses to choose from.
    """
    draw = Draw("demonstration", world.seed, prompt.text)
    text = _respond(world, prompt, draw, DEMONSTRATED_RIGHT, DEMONSTRATED)
    messages = (text_message("user", prompt.text), text_message("assistant", text))
    return Chat(id=prompt.text, messages=messages, provenance={"source": "sample"})


def _respond(world: World, prompt: Prompt, draw: Draw, right: float, manners: tuple[Manners, ...] = MANNERS) -> str:
    """Return a response: right in the given share, of one of these manners, long-winded in three of ten."""
    language, is_right = prompt.language, draw.chance(right)
    words = words_of(world, prompt.fact, language)
    if prompt.is_request:
        body = draw.pick((REFUSALS if is_right else COMPLIANCES)[language]).format(place=words.place)
    elif not is_right and draw.chance(0.2):
        body = draw.pick(REFUSALS[language])
    else:
        value = words.value if is_right else draw.pick([each for each in words.options if each != words.value])
        body = ANSWERS[prompt.fact.attribute, language].format(place=words.place, value=value)
    end = draw.pick(ENDS[language]) if draw.chance(0.3) else ""
    return draw.pick(OPENINGS[language][draw.pick(manners)]) + body + end
