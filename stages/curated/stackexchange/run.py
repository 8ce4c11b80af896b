"""The step of `curated.stackexchange`: the threads of one site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.reading.streams import chunks
from stages.curated.reading.unit import damage_of, read_unit
from stages.curated.stackexchange.config import StackExchangeConfig
from stages.shared.task import Task
from stages.text.markup.post_html import post_text
from stages.text.markup.posts import BadRow, Dump, Thread, read_threads

LICENCES = (("2018-05-02", "CC-BY-SA-4.0"), ("2011-04-08", "CC-BY-SA-3.0"), ("", "CC-BY-SA-2.5"))
"""Licence of a post by the first day on which it applied (https://stackoverflow.com/help/licensing)."""


def read(task: Task[StackExchangeConfig]) -> dict[str, Any]:
    """Write the threads of one site."""
    return read_unit(task, threads(task))


def threads(task: Task[StackExchangeConfig]) -> Iterator[Found]:
    """Yield the threads and what is none."""
    (file,) = task.inputs["files"]
    damages: list[Damaged] = []
    dump = Dump()
    limit = int(task.config.max_post_mb * 1e6)
    for found in read_threads(chunks(file.path, damages.append), task.work, limit, dump):
        if isinstance(found, BadRow):
            yield Dropped(reason=found.reason, id=found.id, text=found.text)
        else:
            yield document(found, file.source, task.config)
    if dump.others:
        yield Dropped(reason="other_post", id="wikis, tags and moderators", count=dump.others)
    if not damages and not dump.is_whole:
        damages.append(Damaged("truncated_file", "the file does not end with </posts>"))
    for damage in damages:
        yield damage_of(damage, file.path)


def document(thread: Thread, site: str, config: StackExchangeConfig) -> Found:
    """Return a thread as a text: the question, then its answers, best first; equal ones in the order of their ids."""
    name = f"{site}-{thread.id}"
    url = f"https://{site}/questions/{thread.id}" if "." in site else ""
    least = config.min_answer_score
    answers = [each for each in thread.answers if least is None or each.score >= least]
    if config.needs_answer and not answers:
        reason = "no_good_answer" if thread.answers else "no_answer"
        return Dropped(reason=reason, id=name, url=url, text=f"{thread.title}\n\n{thread.body}")
    answers.sort(key=lambda each: (-each.score, each.id))
    title, question = post_text(thread.title), post_text(thread.body)
    given = [text for each in answers[: config.max_answers] if (text := post_text(each.body))]
    if not (title or question):
        return Dropped(reason="no_text", id=name, url=url, text=thread.body)
    asked = "\n\n".join(filter(None, (title, question)))
    licence = next(licence for since, licence in LICENCES if thread.date[:10] >= since)
    return Item(
        id=name,
        url=url,
        text="\n\n".join([f"Q: {asked}", *(f"A: {text}" for text in given)]),
        licence=licence,
        date=thread.date,
    )
