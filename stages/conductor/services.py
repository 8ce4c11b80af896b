"""Services of a run as endpoints: their URL and token are in a file that the service writes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from stages.conductor.settings import EndpointSettings
from stages.shared.files import read_json, write_atomic
from stages.shared.task import Task


def reached(task: Task[Any], name: str, settings: EndpointSettings) -> EndpointSettings:
    """Return the settings of an endpoint with its URL; those of a service come from the input `services`.

    Side effect: a service's token goes into a file of the work folder, as its key.
    """
    if not settings.is_service:
        return settings
    (file,) = (each for each in task.inputs["services"] if each.source == name)
    found = urlsplit(str(read_json(file.path)["address"]))
    key = task.work / f"{name}.key"
    write_atomic(key, found.path.strip("/"))
    key.chmod(0o600)
    return settings.model_copy(update={"url": f"{found.scheme}://{found.netloc}/v1", "key_file": str(key)})
