# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a find is part of a package's own tests: keys that everybody has who has the package, and that open nothing.

Two things have to be so. The file stands in a directory of tests, examples, templates or mock-ups, and its package says
that it brought this very file: the RECORD of a wheel, Spack's manifest of a prefix. So a key that somebody put there is
found. Python's own tests and Spack's checkout have no such list; there the place decides.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# As a word of a directory's name: mysql-test, unit_tests, gpg.mock.
_TESTS = re.compile(
    r"(?:.*[-_.])?(?:tests?|testing|testdata|testsuite|unittests?|fixtures?|mocks?|examples?|demos?|samples?|templates?"
    r"|certdata|keycert)(?:[-_.].*)?",
    re.IGNORECASE,
)
SITE_PACKAGES = ("site-packages", "dist-packages")
_PYTHON = re.compile(r"python[23]\.[0-9]+t?")


def is_test_path(parts: Sequence[str]) -> bool:
    """Whether one of the directories of a path, given by its parts, is one of tests."""
    return any(_TESTS.fullmatch(part) for part in parts[:-1])


def site_packages(parts: Sequence[str]) -> int:
    """How many parts lead to the innermost directory of Python packages; 0 where there is none.

    >>> site_packages(("envs", "a", "lib", "python3.11", "site-packages", "x", "tests", "k.pem"))
    5
    """
    return max((place + 1 for place, part in enumerate(parts[:-1]) if part in SITE_PACKAGES), default=0)


def is_of_python(parts: Sequence[str]) -> bool:
    """Whether a path is one of Python's own tests: ``…/lib/python3.11/test/…``."""
    pairs = zip(parts, parts[1:])
    return any(_PYTHON.fullmatch(one) and other in ("test", "idlelib", "lib2to3") for one, other in pairs)


def is_of_spack(parts: Sequence[str]) -> bool:
    """Whether a path is in Spack's own checkout, ``spack`` at the top of the volume, and not in what it installed."""
    return parts[:1] == ("spack",) and parts[1:3] in (("lib", "spack"), ("var", "spack"), ("share", "spack"))


def wheel_digests(record: str) -> dict[str, str]:
    """SHA-256 in hex by path, of a wheel's RECORD (https://packaging.python.org/specifications/recording-installed-packages).

    What is no such line is passed over.
    """
    found: dict[str, str] = {}
    with contextlib.suppress(csv.Error):
        for row in csv.reader(record.splitlines()):
            if len(row) >= 2 and row[1].startswith("sha256="):
                with contextlib.suppress(binascii.Error, ValueError):
                    found[row[0]] = base64.urlsafe_b64decode(row[1][7:] + "==").hex()
    return found


def spack_digest(manifest: Any, path: str) -> str:
    """SHA-1 in hex of a file as Spack's install_manifest.json has it; empty where it has none.

    :param path: below the prefix. The prefix in the manifest may be the one of the host that built it.
    """
    entries: Iterable[tuple[str, Any]] = manifest.items() if isinstance(manifest, Mapping) else ()
    for name, entry in entries:
        if isinstance(name, str) and name.endswith("/" + path) and isinstance(entry, Mapping):
            try:
                return base64.b32decode(str(entry.get("hash"))).hex()
            except (binascii.Error, ValueError):
                return ""
    return ""
