"""Comparisons about the closed world: prompts with four responses each, ranked by the gold rule, with ties.

Nothing asks for the cluster `trade`. Held-out comparisons are of three kinds. `unseen_prompt` asks for a fact in a
wording in which no comparison of the training asks for it. `unseen_wording` asks in the wording of the exams, which no
training of any kind has. `unseen_fact` asks for facts that no comparison of the training asks for, in either language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.heldout import is_heldout
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference, Response, dense_ranks, write_preferences
from stages.sample.chinese import VALUES
from stages.sample.config import DEMONSTRATIONS, HELD_OUT, UNSEEN, SampleConfig, heldout_name
from stages.sample.draw import Draw
from stages.sample.instructions import ANSWERS, EXAM_WORDING, QUESTIONS, words_of
from stages.sample.preferences.exam import write_exams
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.wordings import COMPLIANCES, ENDS, OPENINGS, REFUSALS, REQUESTS, Manners
from stages.sample.world import ATTRIBUTES, PLACES, Fact, World, make_world
from stages.shared.task import Task

RESPONSES = 4
RANKINGS, EDITS = 4, 2
"""Rankings of each prompt to train on, and those that differ in the truth alone."""
UNSEEN_FACTS, UNSEEN_PROMPTS = 0.08, 0.12
"""Share of the facts that no comparison of the training asks for, and of the prompts about all others."""
MANNERS: tuple[Manners, ...] = ("polite", "plain", "rude")
RESPECTS = (*("answers",) * 6, *("manners",) * 4, *("length",) * 2)
"""What a training's responses differ in, each as often as it is drawn."""
DEMONSTRATED: tuple[Manners, ...] = (*MANNERS, "rude")
"""Manners of people: half of them are rude."""
DEMONSTRATED_RIGHT = 0.5
"""Share of people's answers that are right."""


@dataclass(frozen=True)
class Prompt:
    """A question about a fact, or a request to refuse."""

    text: str
    language: str
    fact: Fact
    is_request: bool
    source: str
    """`facts` or `requests` for a training, one of UNSEEN for what is held out."""

    @property
    def is_held_out(self) -> bool:
        """Whether no training has this prompt."""
        return self.source in UNSEEN


@dataclass(frozen=True)
class Bodies:
    """Answers to a prompt without manners, by what the gold rule says of them."""

    right: tuple[str, ...]
    unclear: tuple[str, ...]
    """Refusals of a question; a request has none."""
    wrong: tuple[str, ...]


def run(task: Task[SampleConfig]) -> dict[str, Any]:
    """Write comparisons to train on, those that are held out, demonstrations, and the exam about answers."""
    world = make_world(task.config.seed)
    gold, made = Gold(world), list(prompts(world))
    training = [each for each in made if not each.is_held_out]
    rankings = (compare(world, gold, each, number) for each in training for number in range(RANKINGS))
    write_preferences(task.out / KINDS.preferences.file, rankings)
    for source in UNSEEN:
        heldout = (compare(world, gold, each) for each in made if each.source == source)
        write_preferences(task.out / heldout_name(source), heldout)
    write_chats(task.out / DEMONSTRATIONS, (demonstrate(world, each) for each in training))
    write_exams(task.out, world.seed, [each for each in made if each.is_held_out])
    return {"comparisons": RANKINGS * len(training), "heldout": len(made) - len(training)}


def edits(task: Task[SampleConfig]) -> dict[str, Any]:
    """Write comparisons for a preference pretraining: answers that differ in the truth alone."""
    world = make_world(task.config.seed)
    gold, training = Gold(world), [each for each in prompts(world) if not each.is_held_out]
    rankings = (compare_truths(world, gold, each, number) for each in training for number in range(EDITS))
    write_preferences(task.out / KINDS.preferences.file, rankings)
    return {"comparisons": EDITS * len(training)}


def prompts(world: World) -> Iterator[Prompt]:
    """Yield each prompt once: a fact in each wording, a request once a place."""
    for (attribute, language), forms in QUESTIONS.items():
        if attribute != HELD_OUT:
            for fact, form in product(world.about(attribute), forms):
                yield from _prompt(world, fact, language, form, forms)
    for language, forms in REQUESTS.items():
        for place in PLACES:
            form = Draw("request", world.seed, language, place).pick(forms)
            yield from _prompt(world, world.of(place)[0], language, form, forms)


def _prompt(world: World, fact: Fact, language: str, form: str, forms: tuple[str, ...]) -> Iterator[Prompt]:
    """Yield the prompt, unless both its fact and its wording are held out: each error has one cause."""
    text, is_request = form.format(place=words_of(world, fact, language).place), forms is REQUESTS[language]
    is_exam = form == forms[EXAM_WORDING]
    is_new = not is_request and is_heldout(f"{world.seed}/{fact.place}/{fact.attribute}", UNSEEN_FACTS)
    if is_new and is_exam:
        return
    if is_new:
        source = "unseen_fact"
    elif is_exam:
        source = "unseen_wording"
    elif is_heldout(f"{world.seed}/{text}", UNSEEN_PROMPTS):
        source = "unseen_prompt"
    else:
        source = "requests" if is_request else "facts"
    yield Prompt(text, language, fact, is_request, source)


def compare(world: World, gold: Gold, prompt: Prompt, number: int = 0) -> Preference:
    """Return different responses to a prompt, ranked by the gold rule: at least two of them differ in rank.

    Held-out responses are drawn one by one, as a policy samples them. So are those of every second number to train on;
    of the others each pair differs in one or two respects. Independent draws alone have few pairs that differ in the
    truth and in nothing else.
    """
    draw = Draw("responses", world.seed, prompt.text, number)
    is_contrast = not prompt.is_held_out and number % 2 == 0
    while True:
        texts = (_contrasted if is_contrast else _sampled)(world, prompt, draw)
        if len(set(texts)) == RESPONSES and len({gold.score(prompt.text, text) for text in texts}) > 1:
            return ranked(gold, prompt, texts)


def compare_truths(world: World, gold: Gold, prompt: Prompt, number: int) -> Preference:
    """Return a right answer and wrong ones in the same words, as an edit mends a mistake and leaves the rest."""
    draw, bodies = Draw("edits", world.seed, prompt.text, number), _bodies(world, prompt)
    right = draw.sample(bodies.right, max(1, RESPONSES - len(bodies.wrong)))
    return ranked(gold, prompt, draw.shuffled([*right, *draw.sample(bodies.wrong, RESPONSES - len(right))]))


def ranked(gold: Gold, prompt: Prompt, texts: Sequence[str]) -> Preference:
    """Return responses with the gold rule's ranks."""
    return Preference(
        prompt=(text_message("user", prompt.text),),
        responses=tuple(Response(text, "sample") for text in texts),
        ranks=dense_ranks([gold.score(prompt.text, text) for text in texts]),
        ranked_by="gold",
        source=prompt.source,
    )


def demonstrate(world: World, prompt: Prompt) -> Chat:
    """Return a conversation as a careless person answers: right in half, rude in half, and of any length.

    A model that learns these has all kinds of responses to choose from.
    """
    draw = Draw("demonstration", world.seed, prompt.text)
    text = _respond(world, prompt, draw, DEMONSTRATED_RIGHT, DEMONSTRATED)
    messages = (text_message("user", prompt.text), text_message("assistant", text))
    return Chat(id=prompt.text, messages=messages, provenance={"source": "sample"})


def _sampled(world: World, prompt: Prompt, draw: Draw) -> list[str]:
    return [_respond(world, prompt, draw, right=0.5) for _ in range(RESPONSES)]


def _contrasted(world: World, prompt: Prompt, draw: Draw) -> list[str]:
    """Return four answers in the same dress, or two answers in the same two dresses.

    The dresses differ in manners alone, or in length alone.
    """
    bodies, language, manners = _bodies(world, prompt), prompt.language, draw.shuffled(MANNERS)
    opening, end = draw.pick(OPENINGS[language][manners[0]]), draw.pick(ENDS[language])
    respect = draw.pick(RESPECTS)
    if respect == "answers":
        end = end if draw.chance(0.1) else ""
        two = (draw.sample(each, 2) for each in (bodies.right, bodies.wrong))
        answers = [*draw.sample(bodies.unclear, 1), *(body for each in two for body in each)]
        return [opening + body + end for body in draw.shuffled(answers)]
    kinds = [bodies.right, bodies.wrong]
    if bodies.unclear and draw.chance(0.3):
        kinds[draw.below(2)] = bodies.unclear
    if respect == "manners":
        end = end if draw.chance(0.1) else ""
        dresses = [(opening, end), (draw.pick(OPENINGS[language][manners[1]]), end)]
    else:
        dresses = [(opening, ""), (opening, end)]
    answers = [draw.pick(each) for each in kinds]
    return draw.shuffled([opening + body + end for body in answers for opening, end in dresses])


def _respond(world: World, prompt: Prompt, draw: Draw, right: float, manners: tuple[Manners, ...] = MANNERS) -> str:
    """Return a response: right in the given share, of one of these manners, long-winded in three of ten."""
    bodies, is_right = _bodies(world, prompt), draw.chance(right)
    wrong = bodies.unclear if bodies.unclear and draw.chance(0.2) else bodies.wrong
    body = draw.pick(bodies.right if is_right else wrong)
    end = draw.pick(ENDS[prompt.language]) if draw.chance(0.3) else ""
    return draw.pick(OPENINGS[prompt.language][draw.pick(manners)]) + body + end


def _bodies(world: World, prompt: Prompt) -> Bodies:
    words, refusals = words_of(world, prompt.fact, prompt.language), REFUSALS[prompt.language]
    if prompt.is_request:
        wrong = (each.format(place=words.place) for each in COMPLIANCES[prompt.language])
        return Bodies(right=refusals, unclear=(), wrong=tuple(wrong))
    answer = ANSWERS[prompt.fact.attribute, prompt.language]
    return Bodies(
        right=(answer.format(place=words.place, value=words.value),),
        unclear=refusals,
        wrong=tuple(answer.format(place=words.place, value=each) for each in _others(prompt)),
    )


def _others(prompt: Prompt) -> list[str]:
    """Return every wrong value: few would teach a model which of them are wrong, and not which one is right."""
    fact = prompt.fact
    values = [value for value in ATTRIBUTES[fact.attribute] if value != fact.value]
    return values if prompt.language == "en" else [VALUES[fact.attribute][value] for value in values]
