"""`launch.py chat RUN`: serves a run's models on this machine, here and now, and tells where the page is."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from types import FrameType

from stages.model.checkpoint.names import COMPLETE
from stages.serve.config import ServeConfig
from stages.serve.http.server import Files, Server
from stages.shared.errors import ConfigError
from stages.shared.page import LOCAL, new_token, tunnel
from stages.shared.tool import ToolCall, ToolTable


def chat(call: ToolCall) -> Iterator[ToolTable]:
    """Yield the address of the page, then serve until Ctrl-C or SIGTERM.

    Raises ConfigError if no model is there yet, or a document to search is missing.
    """
    config: ServeConfig = call.changed
    chosen = config.chosen(call.inputs["models"])
    folders = {name: file.path for name, file in chosen.items() if (file.path / COMPLETE).is_file()}
    tokenizer = call.inputs["tokenizer"][0].path
    if not folders or not tokenizer.is_file():
        raise ConfigError("models", [*chosen], f"trained first: `{call.command}`")
    corpus = [file.path for file in call.inputs.get("corpus", ())]
    if missing := [str(path) for path in corpus if not path.is_file()]:
        raise ConfigError("corpus", missing, f"made first: `{call.command}`")
    warnings.simplefilter("ignore")  # libraries' own, which would hide the address
    files = Files(models=folders, tokenizer=tokenizer, corpus=corpus)
    with Server(files, config, call.run_dir, new_token()) as server:
        base = f"{server.address}v1"
        notes = (
            f"Open {server.address}",
            f"For programs: OPENAI_BASE_URL={base} OPENAI_API_KEY={server.token}",
            f"The page is for this machine alone; from yours: {tunnel(server.port)}" if config.host in LOCAL else "",
            "Ctrl-C ends it.",
        )
        title = f"{call.section}: {', '.join(server.names)}"
        yield ToolTable(title=title, notes=tuple(filter(None, notes)))
        with _Stop() as stop:
            server.run(lambda: stop.is_asked)


class _Stop:
    """Whether SIGINT or SIGTERM has come. Use as a context manager."""

    def __init__(self) -> None:
        self.is_asked = False

    def __enter__(self) -> _Stop:
        self._before = {each: signal.signal(each, self._ask) for each in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True
