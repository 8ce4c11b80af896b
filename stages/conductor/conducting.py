"""A conductor: answers a request by a plan of tasks for experts (HuggingGPT, arXiv:2303.17580).

    request -> plan -> for each task: candidates, choice, arguments, result -> answer, and the record of it all

Any controller will do: a function from requests to answers. Nothing that it or an expert writes ends a request: what
cannot be used is repaired or left out, and the answer says which tasks have no result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from stages.conductor.arguments import resolved
from stages.conductor.execute import execute
from stages.conductor.expert import Expert
from stages.conductor.plans import Plan, PlannedTask, parse_plan
from stages.conductor.selection import Choice, Entry, candidates, choice_of
from stages.conductor.wording import answer_request, choice_request, failures, plan_request
from stages.formats.chat.rejects import Reject
from stages.formats.conducted.records import Candidate, Conducted, Delegated, Exchange, Performed
from stages.teacher.request import Answer, Request

Ask = Callable[[str, Request], Answer]
"""Asks the controller: the prompt's name (`plan`, `choose`, `answer`), and the request. From several threads."""
Perform = Callable[[int, Expert, Mapping[str, str], Mapping[str, str]], Performed]
"""Has an expert do a task, by its number, with arguments that are texts and that are artefacts."""
Note = Callable[[str, float], object]
"""Notes the seconds of a step: `plan`, `task 0`, `answer`."""
CHAT_TASKS = frozenset(("text-generation", "conversational", "text2text-generation"))
"""A plan of one of these alone is an answer without experts, as in the paper's code."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user asks."""

    id: str = ""
    text: str
    files: Mapping[str, str]
    """Artefacts by name."""
    context: tuple[Mapping[str, Any], ...] = ()
    """Messages before it."""


def _ignore(*_: object) -> None:
    """Note nothing."""


class Conductor:
    """A controller with its experts."""

    def __init__(self, ask: Ask, experts: Sequence[Expert], perform: Perform, workers: int = 4) -> None:
        """`experts` come in the order in which candidates are taken; `workers` tasks of a request run at once."""
        self._ask, self._perform, self._workers = ask, perform, workers
        self._experts = {(expert.entry.task, expert.entry.id): expert for expert in experts}
        self._entries = [expert.entry for expert in experts]
        self.offered = tuple(sorted({entry.task for entry in self._entries}))
        """Tasks for which there are experts."""

    def conduct(self, asked: Asked, note: Note = _ignore) -> Conducted:
        """Return the answer to a request with its record. `note` is called with the seconds of each step."""
        start = monotonic()
        planning = self._exchange("plan", plan_request(asked.text, asked.files, self.offered, asked.context))
        note("plan", monotonic() - start)
        plan = _plan(planning)
        is_chat = len(plan.tasks) == 1 and plan.tasks[0].task in CHAT_TASKS

        def work(task: PlannedTask, needs: Mapping[int, Delegated]) -> Delegated:
            start = monotonic()
            done = self._delegate(asked, task, needs)
            note(f"task {task.id}", monotonic() - start)
            return done

        results = [] if is_chat else execute(plan.tasks, work, self._workers)
        start = monotonic()
        answering = self._exchange("answer", answer_request(asked.text, results, asked.context))
        note("answer", monotonic() - start)
        return Conducted(
            id=asked.id,
            text=asked.text,
            files=asked.files,
            context=asked.context,
            offered=self.offered,
            planning=planning,
            plan=tuple({**asdict(task), "dep": list(task.dep)} for task in plan.tasks),
            repairs=plan.repairs,
            tasks=tuple(results),
            answering=answering,
            answer=_answer(answering, results),
        )

    def _exchange(self, name: str, request: Request) -> Exchange:
        answer = self._ask(name, request)
        text = answer.text.encode("utf-8", "replace").decode()
        return Exchange(messages=request.messages, parameters=request.parameters, reply=text, finish=answer.finish)

    def _delegate(self, asked: Asked, task: PlannedTask, needs: Mapping[int, Delegated]) -> Delegated:
        """Return a task with its result: choose an expert, resolve the arguments, have it done."""
        shown = candidates(self._entries, task.task)
        exchange, choice = self._choose(asked, task, shown)
        texts: dict[str, str] = {}
        files: dict[str, str] = {}
        try:
            if choice is None:
                raise Reject("no_expert", f"no expert does {task.task}")
            texts, files = resolved(task, asked.files, needs)
            result = self._perform(task.id, self._experts[task.task, choice.id], texts, files)
        except Reject as reject:
            result = Performed(reason=reject.reason, detail=reject.detail, attempts=0)
        return Delegated(
            id=task.id,
            task=task.task,
            dep=task.dep,
            args=task.args,
            candidates=tuple(Candidate(id=entry.id, description=entry.description) for entry in shown),
            choice=exchange,
            expert=choice.id if choice else "",
            why=choice.reason if choice else "",
            texts=texts,
            files=files,
            state="failed" if result.reason else "done",
            result=result,
        )

    def _choose(self, asked: Asked, task: PlannedTask, shown: Sequence[Entry]) -> tuple[Exchange | None, Choice | None]:
        """Return the choice and how it was made: without asking if there is one candidate; None: there is none."""
        if len(shown) < 2:
            return None, Choice(shown[0].id, "the only candidate") if shown else None
        exchange = self._exchange("choose", choice_request(asked.text, task, shown))
        return exchange, choice_of(exchange.reply, shown)


def _plan(planning: Exchange) -> Plan:
    if planning.finish not in ("stop", "length"):
        return Plan((), (f"no plan: the controller's answer is {planning.finish}",))
    return parse_plan(planning.reply)


def _answer(answering: Exchange, results: Sequence[Delegated]) -> str:
    """Return the controller's answer, and below it what was not done; without an answer the results themselves."""
    text = answering.reply.strip() if answering.finish in ("stop", "length") else ""
    if not text:
        found = [f"{each.task}: {each.result.text}" for each in results if each.state == "done"]
        text = "\n".join([f"The controller gave no answer ({answering.finish}).", *found])
    return "\n\n".join(filter(None, (text, "\n".join(failures(results)))))
