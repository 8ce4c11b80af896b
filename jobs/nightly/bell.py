"""The bell of a night: a command, a webhook, or both, that call people."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from stages.shared.errors import ConfigError, StagecoachError
from stages.shared.files import read_secret

_PATIENCE_S = 30


@dataclass(frozen=True, kw_only=True)
class Bell:
    """Calls people. Neither way's failure is the night's."""

    command: str | None = None
    """Shell command, called with the message on its standard input and the record's path in STAGECOACH_NIGHT."""
    webhook_file: Path | None = None
    """File with the URL that gets {"text": message} by POST. A URL is a key: only its owner may read the file."""

    def check(self) -> None:
        """Raise ConfigError for a webhook file that cannot be used, before the first night needs it."""
        if self.webhook_file is not None:
            _url(self.webhook_file)

    def ring(self, run: str, message: str, record: Path) -> str:
        """Call people; return what went wrong, empty if nothing did."""
        text = f"Stagecoach, {run}: {message}"
        troubles = [self._call(text, record) if self.command else "", self._post(text) if self.webhook_file else ""]
        return "; ".join(filter(None, troubles))

    def _call(self, text: str, record: Path) -> str:
        assert self.command is not None
        environment = {**os.environ, "STAGECOACH_NIGHT": str(record)}
        try:
            done = subprocess.run(
                ["bash", "-c", self.command],
                input=text,
                text=True,
                capture_output=True,
                env=environment,
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"the command: {error}"
        last = (done.stderr.strip() or "without a word").splitlines()[-1]
        return f"the command ended with {done.returncode}: {last}" if done.returncode else ""

    def _post(self, text: str) -> str:
        assert self.webhook_file is not None
        try:
            request = urllib.request.Request(
                _url(self.webhook_file),
                data=json.dumps({"text": text}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=_PATIENCE_S):
                return ""
        except urllib.error.HTTPError as error:
            return f"the webhook answered {error.code}"
        except (OSError, StagecoachError, ValueError) as error:
            return f"the webhook: {type(error).__name__}"  # its text may hold the URL


def _url(path: Path) -> str:
    text = read_secret("--webhook-file", str(path))
    if not text.startswith(("http://", "https://")):
        raise ConfigError("--webhook-file", str(path), "a file that holds one http or https URL")
    return text
