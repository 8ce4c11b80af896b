"""The key of an endpoint: from the environment or a file of its owner's alone; never printed."""

from __future__ import annotations

import os

from stages.shared.errors import ConfigError
from stages.shared.files import read_secret
from stages.teacher.settings import TeacherSettings

NO_KEY = "none"
"""Sent where there is no key: a server of one's own asks for none, and the client insists on some."""


def read_key(settings: TeacherSettings) -> str:
    """Return the key. Raises ConfigError for a file that others may read or that is empty."""
    if settings.key_file is None:
        return os.environ.get(settings.key_env, "").strip() or NO_KEY
    key = read_secret("key_file", settings.key_file)
    if not key:
        raise ConfigError("key_file", settings.key_file, "a file that holds the key")
    return key


def without(key: str, text: str) -> str:
    """Return a text with the key made unreadable: endpoints repeat it in their errors."""
    return text if key == NO_KEY else text.replace(key, "***")
