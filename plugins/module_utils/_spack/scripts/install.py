# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs ``spack install`` inside ``spack python``, after reading what each of its packages would read anew.

    spack python install.py WORDS...

Spack's installer (1.2) forks a process for each package. What its parent has not read before, every one of them reads
for itself: files of settings, where gpg is, its own modules. On a small package from a cache that is a third of its
time.

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

#: Settings that are looked at for each package.
SECTIONS = ("bootstrap", "config", "mirrors", "modules", "packages", "upstreams")


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


def read_settings() -> None:
    """Read the settings, which Spack keeps."""
    for section in SECTIONS:
        module("config").CONFIG.get(section)


def read_hooks() -> None:
    """Import what follows and precedes an installation."""
    for name in ("pre_install", "post_install"):
        list(getattr(module("hooks"), name).hooks)


def find_gpg() -> None:
    """Find gpg where packages come from caches or go there."""
    if module("mirrors.mirror").MirrorCollection(binary=True):
        module("util.gpg").init()


def main(words: list[str]) -> int:
    """Install as ``spack install`` does; its status. Raises what it raises."""
    # To find gpg, Spack takes other settings for a moment, and forgets some of its own.
    for step in (find_gpg, read_hooks, read_settings):
        # What another release has elsewhere is read later then, and what is wrong is said there.
        with contextlib.suppress(Exception):
            step()
    install = module("main").SpackCommand("install")
    install(*words, capture=False, fail_on_error=False)
    if install.error is not None and not isinstance(install.error, SystemExit):
        raise install.error
    return install.returncode or 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
