"""Licences of code: the name of one from its text, from a field of a package, from a header. Light."""

from __future__ import annotations

import re

PERMISSIVE = (
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "ISC", "0BSD", "Unlicense", "CC0-1.0", "Zlib", "PSF-2.0",
    "BSL-1.0", "MIT-0", "Artistic-2.0",
)  # fmt: skip
FILES = re.compile(
    r"(?:^|/)(?:un)?licen[cs]e(?:[-_.][\w.-]*)?$|(?:^|/)copying(?:\.[\w.]*)?$|(?:^|/)copyright$", re.IGNORECASE
)
"""Names of files that hold a licence."""
PACKAGE_FILES = re.compile(r"(?:^|/)(?:METADATA|PKG-INFO)$")
MAX_TEXT = 60_000
PHRASES: tuple[tuple[str, str], ...] = (
    ("AGPL-3.0", "gnu affero general public license"),
    ("LGPL", "gnu lesser general public license"),
    ("LGPL", "gnu library general public license"),
    ("GPL-3.0", "gnu general public license version 3"),
    ("GPL-2.0", "gnu general public license version 2"),
    ("GPL", "gnu general public license"),
    ("MPL-2.0", "mozilla public license"),
    ("EPL", "eclipse public license"),
    ("Apache-2.0", "apache license version 2.0"),
    ("CC0-1.0", "cc0 1.0 universal"),
    ("CC-BY-SA", "attribution-sharealike"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("BSL-1.0", "boost software license"),
    ("PSF-2.0", "python software foundation license"),
    ("Artistic-2.0", "the artistic license 2.0"),
    ("ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is "
     "hereby granted, provided that"),
    ("ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee is "
     "hereby granted, provided that"),
    ("0BSD", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is "
     "hereby granted"),
    ("BSD-3-Clause", "neither the name of"),
    ("BSD-3-Clause", "may not be used to endorse or promote products"),
    ("BSD-2-Clause", "redistributions in binary form must reproduce the above copyright"),
    ("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("Zlib", "this notice may not be removed or altered from any source distribution"),
)  # fmt: skip
"""Licences by a phrase of their text, the stricter first: a file with two licences counts as the first of them."""
NAMES = {
    "apache": "Apache-2.0", "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "mit license": "MIT",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "new bsd": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause",
    "isc license (iscl)": "ISC", "the unlicense (unlicense)": "Unlicense",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "public domain": "Unlicense",
}  # fmt: skip
SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+() -]{1,100})", re.IGNORECASE)
FIELD = re.compile(
    r"^(?:License-Expression|License|Classifier: License :: OSI Approved ::)[: ]+(.{1,100})$", re.MULTILINE
)
SPACE = re.compile(r"[\s*#/;>]+")


def licence_of_text(text: str) -> str:
    """Return the SPDX identifier of a licence's text; empty if it is not known."""
    head = SPACE.sub(" ", text[:MAX_TEXT]).lower().replace(", version", " version")
    return next((name for name, phrase in PHRASES if phrase in head), "")


def licence_of_package(text: str) -> str:
    """Return the licence that a Python package's metadata names; empty if none."""
    for found in FIELD.findall(text[:MAX_TEXT]):
        if name := known(found.strip()):
            return name
    return ""


def licence_of_header(text: str) -> str:
    """Return the SPDX identifier that the first lines of a file name; empty if none."""
    found = SPDX.search(text[:2000])
    return found[1].strip() if found else ""


def known(name: str) -> str:
    """Return the SPDX identifier of a licence's name as data sets write it; the name itself if it looks like one."""
    plain = name.strip().lower()
    by_identifier = {each.lower(): each for each in PERMISSIVE}
    if plain in by_identifier:
        return by_identifier[plain]
    return NAMES.get(plain, name if re.fullmatch(r"[A-Za-z0-9.+-]{2,40}", name.strip()) else "")


def is_allowed(licences: list[str], allowed: frozenset[str]) -> bool:
    """Return whether one of a file's licences is allowed; `A OR B` needs one of them, `A AND B` both."""
    return any(_allows(each, allowed) for each in licences)


def _allows(expression: str, allowed: frozenset[str]) -> bool:
    choices = re.split(r"\s+OR\s+", expression.replace("(", " ").replace(")", " ").strip())
    return any(
        all(known(part) in allowed for part in re.split(r"\s+(?:AND|WITH)\s+", each.strip())) for each in choices
    )
