"""Opens an input of the web stage: a local file, or a URL that is read as a stream."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.remote import RemoteFile
from stages.web.read.parts import Stream

REMEDY = "Set inputs to WARC or WET files, compressed or not"


@contextmanager
def open_input(file: InputFile) -> Iterator[Stream]:
    """Open a file for one pass from front to back.

    Raises DataError if the file is missing, a folder or a pipe, or not readable by this user. Reading a remote file may
    raise it too.
    """
    if file.url:
        with RemoteFile(file.url) as remote:
            yield remote
        return
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):  # opening a pipe would wait for a writer
            raise DataError(file.path, "a folder, pipe or device instead of a file", REMEDY)
        stream = file.path.open("rb", buffering=0)
    except OSError as error:
        raise DataError(file.path, f"not a file that this user can read ({error.strerror})", REMEDY) from error
    with stream:
        yield stream
