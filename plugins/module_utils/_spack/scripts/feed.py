# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python`` beside an installation: hands each package on to another build cache as it finishes.

    spack python feed.py ARGUMENTS.json

ARGUMENTS.json has ``environment`` (its directory), ``cache`` (directory of the host's own build cache, which gets each
package as it finishes), ``mirror`` (name of the one that is fed), ``exclude`` (names of packages that stay) and
``status`` (the file that says how far it is). When the input of this process ends, the installation has ended, however:
what is left is handed on then, and nothing is waited for any more.

No package waits for it. What is there already is not pushed again, and what cannot be pushed is tried again. This file
travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

POLL = 0.5
#: Seconds after which what could not be pushed is tried again, doubled each time.
AGAIN = 10.0
#: Packages that fail one after another at the end: the rest would too.
ENOUGH = 3
#: Characters of a reason.
LONGEST = 400


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


class Caches:
    """The two build caches, in Spack's own words."""

    def __init__(self, directory: str, mirror: str) -> None:
        layouts = module("url_buildcache")
        self._entries = layouts.get_url_buildcache_class(
            module("binary_distribution").CURRENT_BUILD_CACHE_LAYOUT_VERSION
        )
        self._web, self._urls = module("util.web"), module("util.url")
        self._here = f"file://{directory}"
        self._there = module("mirrors.mirror").MirrorCollection(binary=True).lookup(mirror).push_url

    def has(self, spec: Any) -> bool:
        """Whether the host's own cache has a package."""
        return self._local(self._entries.get_manifest_url(spec, self._here)).is_file()

    def push(self, spec: Any) -> int | None:
        """Hand a package on as it is signed, its manifest last; gives how many bytes went, None where it was there.

        What is not signed by a key that counts, or was not written to its end yet, is an error.
        """
        target = self._entries.get_manifest_url(spec, self._there)
        if self._web.url_exists(target):
            return None
        self._entries.maybe_push_layout_json(self._there)
        entry = self._entries(self._here, spec, allow_unsigned=False)
        sent = 0
        for record in entry.read_manifest().data:
            blob = self._entries.get_blob_url(self._there, record)
            if not self._web.url_exists(blob):
                self._send(self._entries.get_blob_url(self._here, record), blob)
                sent += int(record.content_length)
        self._send(self._entries.get_manifest_url(spec, self._here), target)
        return sent

    def _send(self, source: str, target: str) -> None:
        self._web.push_to_url(str(self._local(source)), target, keep_original=True)

    def _local(self, url: str) -> Path:
        return Path(self._urls.local_file_path(url))


class Feeder:
    """Hands the packages of one environment on.

    :param specs: what may be handed on.
    """

    def __init__(self, caches: Caches, specs: list[Any], status: Path) -> None:
        self._caches = caches
        self._waiting = {spec.dag_hash(): spec for spec in specs}
        self._status = status
        self._tries: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        self._told: dict[str, Any] = {"pushed": [], "already": 0, "bytes": 0, "seconds": 0.0, "longest": 0.0}
        self.write()

    def look(self, last: bool = False) -> None:
        """Hand on what is finished. last: it is the last look, so that nothing is left for later."""
        in_a_row = 0
        for key, spec in list(self._waiting.items()):
            if not self._caches.has(spec) or (not last and time.monotonic() < self._next.get(key, 0.0)):
                continue
            in_a_row = 0 if self._push(key, spec) else in_a_row + 1
            self.write()
            if last and in_a_row >= ENOUGH:
                break

    def _push(self, key: str, spec: Any) -> bool:
        began = time.monotonic()
        try:
            sent = self._caches.push(spec)
        except Exception as error:  # whatever it is: the installation goes on without
            self._tries[key] = self._tries.get(key, 0) + 1
            self._next[key] = time.monotonic() + AGAIN * 2 ** min(self._tries[key] - 1, 5)
            self._failed[key] = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
            return False
        del self._waiting[key]
        self._failed.pop(key, None)
        if sent is None:
            self._told["already"] += 1
        else:
            took = time.monotonic() - began
            self._told["pushed"].append(key)
            self._told["bytes"] += sent
            self._told["seconds"] = round(self._told["seconds"] + took, 2)
            self._told["longest"] = round(max(self._told["longest"], took), 2)
        return True

    def write(self, over: bool = False) -> None:
        """Say how far it is, in one step, so that nobody reads half of it. over: it has come to its end."""
        left = [key for key, spec in self._waiting.items() if key not in self._failed and self._caches.has(spec)]
        draft = self._status.with_name(f".{self._status.name}.tmp")
        told = {**self._told, "failed": self._failed, "left": left, "over": over}
        # A disk that is full for a moment ends nothing. Where it stays so, nobody finds that it came to its end.
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(told), encoding="utf-8")
            draft.replace(self._status)


def over(wait: float) -> bool:
    """Whether the input has ended, which is waited for so many seconds."""
    return bool(select.select([0], [], [], wait)[0]) and not os.read(0, 1)


def main(arguments: dict[str, Any]) -> None:
    """Hand on, until the installation has ended."""
    # What does not answer is tried again anyway.
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "2")
    status = Path(arguments["status"])
    try:
        roots = module("environment").Environment(arguments["environment"]).concrete_roots()
        specs = list(module("traverse").traverse_nodes(roots, order="post", deptype="all"))
        mine = [
            spec
            for spec in specs
            if not spec.external and spec.name not in arguments["exclude"] and spec.package.redistribute_binary
        ]
        feeder = Feeder(Caches(arguments["cache"], arguments["mirror"]), mine, status)
    except Exception as error:
        # Who reads it finds out why nothing was handed on.
        status.write_text(json.dumps({"problem": f"{type(error).__name__}: {error}"[:LONGEST]}), encoding="utf-8")
        raise
    while not over(POLL):
        feeder.look()
    feeder.look(last=True)
    feeder.write(over=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
