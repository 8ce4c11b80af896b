"""Opens an input of the web stage, wherever it lies: a local file, or an address that is read as a stream."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.remote import RemoteFile
from stages.web.members import Stream

REMEDY = "Want a WARC or WET file, compressed or not; check web.inputs"


@contextmanager
def opened(file: InputFile) -> Iterator[Stream]:
    """Open a file for one pass from front to back.

    Raises DataError if it is missing, a folder, a pipe or not for this user to read; reading a remote one may raise it.
    """
    if file.url:
        with RemoteFile(file.url) as remote:
            yield remote
        return
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):  # opening a pipe would wait for somebody to write
            raise DataError(file.path, "not a file, but a folder, pipe or device", REMEDY)
        stream = file.path.open("rb", buffering=0)
    except OSError as error:
        raise DataError(file.path, f"not a file that this user can read ({error.strerror})", REMEDY) from error
    with stream:
        yield stream
