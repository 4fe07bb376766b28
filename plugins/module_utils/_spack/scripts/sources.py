# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside ``spack python``: whether the sources of packages can be had, without fetching them.

    spack python sources.py ARGUMENTS.json OUTPUT.json

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOUND = "found"
MISSING = "missing"
UNKNOWN = "unknown"
THREADS = 16
# Where servers refuse to say only whether something is there, and where they have no time to.
ASK_OTHERWISE = (400, 403, 405, 501)
BUSY = (408, 425, 429)
# So many servers in a row that cannot be reached are no network.
FEW = 4
#: The transports that Git may use; "ext" runs commands.
GIT_PROTOCOLS = "file:git:http:https:ssh"


def module(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


@dataclass(frozen=True)
class Place:
    """Where something may be had: by URL, or from a Git repository with these tags and branches.

    own: whether the recipe names it; otherwise it is a mirror's.
    """

    url: str
    own: bool
    refs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """Why something is not there. sure: whether that can be told now; a server in trouble may have it again later."""

    reason: str
    sure: bool = True


@dataclass
class Wanted:
    """One thing that a package is built from. what: source, resource or patch; search: Spack's own last resort;
    unknown: why nobody can tell.
    """

    package: str
    version: str
    what: str
    places: list[Place] = field(default_factory=list)
    search: Callable[[], Iterable[Any]] | None = None
    unknown: str = ""
    looked: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """For the one who asked."""
        return {
            "package": self.package,
            "version": self.version,
            "what": self.what,
            "looked": self.looked,
            "unknown": self.unknown,
        }


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", "")) if parts.scheme else url


def places_of(fetcher: Any, own: bool) -> list[Place] | None:
    """Where a fetcher looks, in its order; None where nobody can tell without fetching."""
    url = str(getattr(fetcher, "url", ""))
    if isinstance(fetcher, module("fetch_strategy").GitFetchStrategy):
        refs = [getattr(fetcher, name, None) for name in ("tag", "branch")]
        return [Place(url, own, tuple(str(ref) for ref in refs if ref))]
    urls = getattr(fetcher, "candidate_urls", None)
    if urls is None or url.startswith("oci"):
        return None
    return [Place(str(one), own) for one in urls]


def wanted_of(package: Any, stage: Any, what: str) -> Wanted:
    """One stage of a package: mirrors and caches first, then where it comes from."""
    found = Wanted(str(package.name), str(package.version), what)
    # Spack looks through pages of the Web with it, which is for the end.
    found.search, stage.search_fn = getattr(stage, "search_fn", None), None
    for fetcher in stage._generate_fetchers():
        places = places_of(fetcher, fetcher is stage.default_fetcher)
        if places is None:
            found.unknown = type(fetcher).__name__.replace("FetchStrategy", "")
        else:
            found.places += places
    return found


def stages(package: Any) -> Iterator[tuple[Any, str]]:
    """What a package is built from: its source, its resources, and the patches that are to be fetched."""
    for number, stage in enumerate(package.stage):
        kind = "source" if number == 0 else "resource"
        yield stage, "patch" if "-patch-" in str(getattr(stage, "name", "")) else kind


def wanted(specs: Iterable[Any]) -> list[Wanted]:
    """All that the builds of packages need."""
    found = []
    for spec in specs:
        try:
            package = spec.package
            if not package.has_code or spec.external:
                continue
            found += [
                wanted_of(package, stage, what)
                for stage, what in stages(package)
                if hasattr(stage, "_generate_fetchers")
            ]
        except Exception as error:  # what a recipe says of itself is its own matter
            found.append(Wanted(str(spec.name), str(spec.version), "source", unknown=str(error)))
    return found


#: Spack's own way to open an address; linters take the word for urllib's.
OPENER = f"url{'open'}"


class Asker:
    """Asks servers and directories. timeout: seconds for one answer.

    A server that could not be reached is not asked again, and none any more after a few where not one was reached: a
    host without network shall not wait for each of them.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._away: dict[str, Answer] = {}
        self._answered: set[str] = set()
        self._first: dict[str, threading.Lock] = {}
        web = module("util.web")
        # Made once, before threads want it.
        opener = getattr(web, OPENER)
        self._open = getattr(opener, "instance", opener)
        self._headers = {"User-Agent": web.SPACK_USER_AGENT}
        method = str(module("config").CONFIG.get("config:url_fetch_method", "urllib"))
        self._exists = web.url_exists if method.startswith("curl") else None

    @property
    def offline(self) -> bool:
        """Whether servers were asked and none answered."""
        return bool(self._away) and not self._answered

    def why_not(self, place: Place) -> Answer | None:
        """Why something is not there; None where it is."""
        parts = urllib.parse.urlsplit(place.url)
        if parts.scheme in ("", "file") and place.refs is None:
            path = Path(urllib.request.url2pathname(parts.path))
            return None if path.exists() else Answer("not there")
        server = parts.netloc or place.url
        # The first question to a server is alone: all others learn from how it ends.
        with self._first.setdefault(server, threading.Lock()):
            if server not in self._answered:
                return self._ask_first(place, server)
        return self._ask(place, server)

    def _ask_first(self, place: Place, server: str) -> Answer | None:
        if server in self._away:
            return self._away[server]
        if self.offline and len(self._away) >= FEW:
            return Answer("no server can be reached from here")
        answer = self._ask(place, server)
        if server not in self._answered:
            answer = self._ask(place, server)
        if answer is not None and server not in self._answered:
            self._away[server] = answer
        return answer

    def _ask(self, place: Place, server: str) -> Answer | None:
        if place.refs is not None:
            return self._git(place, server)
        if self._exists is not None:
            there = self._exists(place.url)
            if there:
                self._answered.add(server)
            return None if there else Answer("curl cannot get it")
        return self._web(place.url, server)

    def _web(self, url: str, server: str) -> Answer | None:
        answer = None
        for method in ("HEAD", "GET"):
            request = urllib.request.Request(url, method=method, headers=self._headers)  # noqa: S310
            try:
                with self._open(request, timeout=self._timeout):
                    self._answered.add(server)
                    return None
            except urllib.error.HTTPError as error:
                self._answered.add(server)
                answer = Answer(f"{error.code} {error.reason}", error.code < 500 and error.code not in BUSY)
                if error.code not in ASK_OTHERWISE:
                    break
            except Exception as error:  # of all the layers below
                cause = getattr(error, "reason", error)
                nobody = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
                answer = Answer(str(cause) or type(cause).__name__, nobody)
                break
        return answer

    def _git(self, place: Place, server: str) -> Answer | None:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": GIT_PROTOCOLS}
        refs = place.refs or ()
        command = ["git", "ls-remote", *(["--exit-code"] if refs else []), "--", place.url, *refs]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=2 * self._timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Answer(f"git ls-remote: {type(error).__name__}", False)
        if done.returncode in (0, 2):
            self._answered.add(server)
            return None if done.returncode == 0 else Answer(f"it has no {' or '.join(refs)}")
        # It says in the same way that there is no such repository, and that nobody answers.
        return Answer((done.stderr.strip().splitlines() or ["git ls-remote failed"])[-1], False)


def look(one: Wanted, asker: Asker) -> str:
    """Where one thing stands. What was asked in vain is noted in it."""
    sure = True
    for place in one.places:
        answer = asker.why_not(place)
        if answer is None:
            return FOUND
        sure = sure and answer.sure
        if place.own:
            one.looked.append(f"{shown(place.url)} ({answer.reason})")
    if one.unknown:
        return UNKNOWN
    if one.search is not None and not asker.offline and searched(one.search, asker):
        return FOUND
    if not sure and not asker.offline:
        one.unknown = "; ".join(one.looked)
        return UNKNOWN
    return MISSING


def searched(search: Callable[[], Iterable[Any]], asker: Asker) -> bool:
    """Whether Spack finds something where versions are listed."""
    try:
        for fetcher in search():
            places = places_of(fetcher, True)
            if places is None or any(asker.why_not(place) is None for place in places):
                return True
    except Exception as error:  # whatever pages of the Web are
        sys.stderr.write(f"{error}\n")
    return False


def look_all(everything: list[Wanted], asker: Asker, seconds: float) -> dict[int, str]:
    """Where all stand that an answer came of in time, by their place in the list."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    answers: dict[int, str] = {}
    for number in range(len(everything)):
        waiting.put(number)

    def work() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                answers[number] = look(everything[number], asker)
            except Exception as error:  # a thread that died would be an answer that never comes
                everything[number].unknown = str(error)
                answers[number] = UNKNOWN

    # Nobody waits for those that are still at it when the time is over.
    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(THREADS, len(everything)))]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer for ``environment`` (its directory), ``hashes`` (what is to be built) and ``seconds`` (for all of it)."""
    environment = module("environment").Environment(arguments["environment"])
    hashes = set(arguments["hashes"])
    nodes = module("traverse").traverse_nodes(environment.concrete_roots(), deptype="all")
    everything = wanted(spec for spec in nodes if spec.dag_hash() in hashes)
    timeout = float(module("config").CONFIG.get("config:connect_timeout", 10) or 10)
    answers = look_all(everything, Asker(timeout), float(arguments["seconds"]))
    told: dict[str, list[dict[str, Any]]] = {FOUND: [], MISSING: [], UNKNOWN: []}
    for number, one in enumerate(everything):
        if number not in answers:
            one.unknown = one.unknown or "there was no time for it"
        told[answers.get(number, UNKNOWN)].append(one.told())
    mirrors = [
        shown(str(mirror.fetch_url)) for mirror in module("mirrors.mirror").MirrorCollection(source=True).values()
    ]
    return {MISSING: told[MISSING], UNKNOWN: told[UNKNOWN], "count": len(everything), "mirrors": mirrors}


if __name__ == "__main__":
    answer = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
    # Threads that still wait for a server end with it.
    sys.stdout.flush()
    os._exit(0)
