"""Joins a unit to what answers it: an endpoint with its store of answers, and the chat template of a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stages.evaluate.backends.dialogue import Dialogue, FolderTemplate, MessagesTemplate, OwnTemplate, Template
from stages.evaluate.backends.placing import Placing
from stages.evaluate.backends.windows import SERVED, WindowLM
from stages.evaluate.cells import Cell
from stages.evaluate.config import EvaluateConfig
from stages.formats.chat.templates import ChatEncoder, digest_of, load_template
from stages.formats.tokenizer import Tokenizer
from stages.generate.opening import Description, FolderCodec, is_release, open_tokenizer
from stages.model.checkpoint.settings import read_settings
from stages.shared.contract import whole_of
from stages.shared.task import Task
from stages.teacher.meter import Meter
from stages.teacher.store import AnswerStore, answers_folder


def model_name(unit: str, cell: Cell) -> str:
    """Return the name of the model that a unit, or a part of one, asks."""
    return (whole_of(unit) or unit).removesuffix(f"/{cell.name}")


def endpoint_description(task: Task[EvaluateConfig], name: str) -> Description:
    """Return what an endpoint's answers depend on, as far as it is known."""
    from stages.evaluate.backends.endpoint import Utf8, longest  # noqa: PLC0415  see open_endpoint

    settings, tokenizer = task.config.endpoints[name], tokenizer_of(task)
    return Description(
        codec=Utf8() if tokenizer is None else tokenizer.codec,
        first_id=-1 if tokenizer is None else tokenizer.first_id,
        identity=f"{settings.identity}, tokenizer {tokenizer.digest[:16]}" if tokenizer else settings.identity,
        dtype="",
        seq_len=longest(settings, tokenizer) - 1 - SERVED,  # as of a model of ours, whose last token is no input
    )


def tokenizer_of(task: Task[EvaluateConfig]) -> FolderCodec | None:
    """Return the tokenizer of a unit's endpoint; None: it is not known."""
    folders = task.inputs.get("tokenizers", ())
    return open_tokenizer(folders[0].path) if folders else None


def open_endpoint(task: Task[EvaluateConfig], name: str, asked: str) -> WindowLM:
    """Return the model of a unit's endpoint, with the answers to `asked` that are there already.

    Side effect: makes folders for answers and for what was spent; units of one endpoint share them.
    """
    from stages.evaluate.backends.endpoint import EndpointLM  # noqa: PLC0415  brings openai, 23 MB: for endpoints alone
    from stages.teacher.teacher import Teacher  # noqa: PLC0415

    settings = task.config.endpoints[name]
    folder = answers_folder(task.run_dir, task.section) / settings.digest
    # An attempt has files of its own: an earlier one may still be writing when Slurm starts its successor.
    writer = hashlib.sha256(str(task.out.relative_to(task.run_dir)).encode()).hexdigest()[:16]
    meter = Meter(folder / "spent.json", writer, settings.budget, settings.requests_per_minute)
    store = AnswerStore(folder / hashlib.sha256(asked.encode()).hexdigest()[:16], writer)
    teacher = Teacher(settings, store, meter, should_stop=task.should_stop, progress=task.progress)
    return EndpointLM(name, settings, teacher, tokenizer_of(task))


def dialogue_of(
    task: Task[EvaluateConfig], cell: Cell, described: Description, placing: Placing | None = None
) -> Dialogue | None:
    """Return the conversation form of a cell; None: it is asked as plain text. `placing` has the pictures of messages.

    Raises ConfigError for a model without a chat template.
    """
    if cell.chat is None:
        return None
    template = _template(task, cell.chat.template, model_name(task.unit, cell), described, placing)
    return Dialogue(template, multiturn=cell.chat.multiturn, system=cell.chat.system)


def _template(
    task: Task[EvaluateConfig], name: str, model: str, described: Description, placing: Placing | None
) -> Template:
    if model in task.config.endpoints:
        is_chat = task.config.endpoints[model].api == "chat"
        return MessagesTemplate(described.codec) if is_chat else FolderTemplate(task.inputs["tokenizers"][0].path)
    folder = task.inputs["checkpoints"][0].path
    if is_release(folder):
        return FolderTemplate(folder)
    return own_template(name, folder, task.inputs["tokenizer"][0].path, placing)


def own_template(name: str, checkpoint: Path, tokenizer: Path, placing: Placing | None = None) -> OwnTemplate:
    """Return a template of ours for a checkpoint. Raises ConfigError for one that lacks its control tokens."""
    settings, codec = read_settings(checkpoint), Tokenizer(tokenizer)
    extra = settings.config.extra_tokens
    controls = {token: settings.config.token_id(token, settings.vocab_size) for token in extra}
    positions_of = placing.positions if placing else None
    encoder = ChatEncoder(load_template(name), codec, controls, codec.eos_id, positions_of)
    return OwnTemplate(encoder, codec, digest_of(name), placing)
