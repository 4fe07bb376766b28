# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry over https or below a directory, and its copies in the user's cache.

Whatever it answers is bounded in size and time, is read as data, and is kept under the digest of its address: no name
of a registry's ever becomes a name in the file system. What cannot be used is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ansible.module_utils.urls import open_url

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.user_cache_api import user_cache
from ansible_collections.petal.hpc.plugins.module_utils._registry import query, reach, record
from ansible_collections.petal.hpc.plugins.module_utils._registry.query import VariantCriteria
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import (
    Entry,
    Index,
    RegistryError,
    Stack,
    shown,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar

Parsed = TypeVar("Parsed")

REDIRECTS_LIMIT = 5
REDIRECTS = (301, 302, 303, 307, 308)
# Seconds without a byte after which a server counts as gone; what all may take together is the caller's choice.
SILENCE = 10.0
BLOCK = 64 * 1024
# Of the first line of a copy, which says where it is from.
HEAD_LIMIT = 4096
COPIES_LIMIT = 500
# Snapshots of one stack that are told of when they are passed over.
NOTES_LIMIT = 3
_ETAG = re.compile(r'(W/)?"[!#-~]{0,256}"', re.ASCII)


class UnreachableError(RegistryError):
    """There was no answer, or none of use just now: a copy is better than nothing."""


@dataclass(frozen=True)
class Settings:
    """How a registry is asked.

    cache_dir: where copies are kept; empty for the user's own. offline: from copies alone. max_age: seconds for which a
    copy is taken without asking. timeout: seconds for all answers together. keep: whether copies are written.
    private_redirects: whether a redirect may lead to an address that only this network or this machine reaches.
    """

    cache_dir: str = ""
    offline: bool = False
    max_age: int = 600
    timeout: int = 30
    ca_path: str | None = None
    keep: bool = True
    private_redirects: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any], keep: bool = True) -> Settings:
        """From a module's options, as ARGUMENTS of options.py describes them."""
        return cls(
            cache_dir=params["registry_cache_dir"] or "",
            offline=params["registry_offline"],
            max_age=params["registry_max_age"],
            timeout=params["registry_timeout"],
            ca_path=params["registry_ca_path"],
            keep=keep,
            private_redirects=params["registry_private_redirects"],
        )


@dataclass(frozen=True)
class Copy:
    """A document as it was fetched: its bytes, its ETag (empty where it has none), and when, in seconds since 1970."""

    content: bytes
    etag: str
    fetched: float

    @property
    def date(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.fetched))


class Cache:
    """Copies of documents in a directory of the user's own.

    :param directory: empty for ``petal.hpc/registry`` in the XDG cache directory.
    """

    def __init__(self, directory: str = "") -> None:
        self.root = Path(directory) if directory else user_cache() / "petal.hpc" / "registry"

    def _path(self, url: str) -> Path:
        return self.root / hashlib.sha256(url.encode()).hexdigest()

    def read(self, url: str, limit: int) -> Copy | None:
        """The copy of a document; None when there is none that this user has written."""
        try:
            descriptor = os.open(self._path(url), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return None
            try:
                head = json.loads(stream.readline(HEAD_LIMIT))
                content = stream.read(limit + 1)
                etag = head["etag"] if _ETAG.fullmatch(head["etag"]) else ""
                usable = head["url"] == url and head["length"] == len(content) <= limit
                return Copy(content, etag, float(head["fetched"])) if usable else None
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError):
                return None

    def write(self, url: str, copy: Copy) -> None:
        """Keep a document, in one step. Raises OSError."""
        head = {"url": url, "etag": copy.etag, "fetched": copy.fetched, "length": len(copy.content)}
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with below.directory(self.root) as root:
            below.replace(root, self._path(url).name, json.dumps(head).encode() + b"\n" + copy.content, 0o600)
        self._trim()

    def _trim(self) -> None:
        """Let the oldest go: a registry shall not fill the disk."""
        with contextlib.suppress(OSError):
            kept = sorted(self.root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in kept[COPIES_LIMIT:]:
                path.unlink(missing_ok=True)


class Registry:
    """One registry. ``notes`` gathers what its user should know of: copies that were used, entries passed over.

    :param url: https:// or file://. Raises RegistryError for any other.
    """

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = record.checked_url(url)
        self.settings = settings or Settings()
        self.notes: list[str] = []
        self.requests = 0
        # What the index was: its bytes' digest before, whether a copy was taken, and of when.
        self.from_cache = False
        self.fetched: str | None = None
        self.changed = False
        self._cache = Cache(self.settings.cache_dir)
        self._deadline: float | None = None

    def index(self, refresh: bool = False) -> Index:
        """The index. Raises RegistryError.

        :param refresh: ask, whatever the age of the copy.
        """

        def parse(content: bytes) -> Index:
            return record.parse_index(content, self.url)

        copy, index = self._document(record.INDEX, record.INDEX_LIMIT, parse, refresh)
        self.fetched = copy.date
        self.notes += [
            f"the registry's {record.INDEX} has an entry that is passed over: {one}" for one in index.refused
        ]
        return index

    def stack(self, entry: Entry) -> Stack:
        """What the registry says of one stack of its index. Raises RegistryError."""

        def parse(content: bytes) -> Stack:
            return record.parse_stack(content, entry)

        found = self._document(entry.path, record.STACK_LIMIT, parse, False)[1]
        wrong = [str(one) for one in found.refused[:NOTES_LIMIT]]
        if len(found.refused) > NOTES_LIMIT:
            wrong.append(f"and {len(found.refused) - NOTES_LIMIT} more")
        self._note(f"the stack {entry.name} has a snapshot that is passed over: {one}" for one in wrong)
        return found

    def _note(self, notes: Iterable[str]) -> None:
        """What the user should know of, once."""
        self.notes += [note for note in notes if note not in self.notes]

    def stacks(self, index: Index, fingerprint: str) -> list[Stack]:
        """The stacks that have a fingerprint; what cannot be used of them is noted."""
        found = [self._usable(entry) for entry in query.by_fingerprint(index, fingerprint)]
        return [stack for stack in found if stack is not None]

    def any_of(self, index: Index, fingerprints: Sequence[str]) -> list[Stack]:
        """The stacks that have one of some fingerprints, each once."""
        found = [stack for fingerprint in fingerprints for stack in self.stacks(index, fingerprint)]
        return list({stack.name: stack for stack in found}.values())

    def _usable(self, entry: Entry) -> Stack | None:
        try:
            return self.stack(entry)
        except UnreachableError:
            raise
        except RegistryError as error:
            self.notes.append(f"the stack {entry.name} is passed over: {error}")
            return None

    def details(self, entries: Iterable[Entry]) -> dict[Entry, Stack]:
        """The documents of the first of some entries, as many as the time allows; what cannot be used is noted."""
        found: dict[Entry, Stack] = {}
        for entry in list(entries)[: query.DETAILS_LIMIT]:
            try:
                stack = self._usable(entry)
            except UnreachableError as error:
                self._note([f"the documents of some stacks are not there: {error}"])
                break
            if stack is not None:
                found[entry] = stack
        return found

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """What registry_info returns.

        :param question: its options, as ``question`` and ``name``. Raises PetalError.
        """
        asked = {key: question[key] for key in ("fingerprint", "region", "os", "architecture")}
        wanted = VariantCriteria(**asked, older_fingerprints=tuple(question["older_fingerprints"]))
        wanted.check()
        kind = question["question"]
        index = self.index(refresh=kind == "update")
        if kind == "check":
            stacks = self.any_of(index, wanted.fingerprints)
            said = query.check(stacks, wanted)
        elif kind in ("info", "regions", "variants"):
            said = query.about(kind, self.stack(query.find(index, question["name"])), wanted)
        elif kind == "search":
            whole = query.told(index, self.details(query.silent(index)))
            said = query.listed(*query.search(whole, question["text"]), question["limit"])
        elif kind == "list" and (question["details"] or question["official"] is not None):
            entries = query.listing(index)[0]
            said = query.detailed(entries, self.details(entries), question["official"], question["limit"])
        elif kind == "list":
            said = query.listed(*query.listing(index), question["limit"])
        else:
            said = {"reason": f"the index is {'new' if self.changed else 'as it was'}: {query.listing(index)[1]}"}
        return {
            **said,
            "registry": {
                "url": self.url,
                "stacks": len(index.entries),
                "fetched": self.fetched,
                "from_cache": self.from_cache,
                "changed": self.changed,
                "requests": self.requests,
            },
            "passed_over": [str(refused) for refused in index.refused],
        }

    def _document(self, path: str, limit: int, parse: Callable[[bytes], Parsed], refresh: bool) -> tuple[Copy, Parsed]:
        url = self.url + path
        try:
            if url.startswith("file://"):
                copy = Copy(self._read(path, limit), "", time.time())
                return copy, parse(copy.content)
            return self._asked(url, limit, parse, refresh)
        except RegistryError as error:
            raise type(error)(f"reading {url}: {error}") from error

    def _asked(self, url: str, limit: int, parse: Callable[[bytes], Parsed], refresh: bool) -> tuple[Copy, Parsed]:
        kept = self._kept(url, limit, parse)
        if self.settings.offline:
            if kept is None:
                raise RegistryError(
                    f"there is no copy in {self._cache.root}, and offline nobody is asked; run once online"
                )
            self.notes.append(f"offline: {url} is taken from the copy of {kept[0].date}")
        elif kept is None:
            return self._renewed(url, limit, parse, None)
        elif refresh or not 0 <= time.time() - kept[0].fetched < self.settings.max_age:
            try:
                return self._renewed(url, limit, parse, kept)
            except UnreachableError as error:
                self.notes.append(f"{url} cannot be asked ({error}): it is taken from the copy of {kept[0].date}")
        self.from_cache = True
        return kept

    def _kept(self, url: str, limit: int, parse: Callable[[bytes], Parsed]) -> tuple[Copy, Parsed] | None:
        """The copy, if there is one that can be used: it is read with no more trust than an answer."""
        copy = self._cache.read(url, limit)
        try:
            return None if copy is None else (copy, parse(copy.content))
        except RegistryError:
            return None

    def _renewed(
        self, url: str, limit: int, parse: Callable[[bytes], Parsed], kept: tuple[Copy, Parsed] | None
    ) -> tuple[Copy, Parsed]:
        answer = self._fetch(url, limit, kept[0].etag if kept else "")
        if answer is not None:
            found = answer, parse(answer.content)
            self.changed = self.changed or kept is None or kept[0].content != answer.content
        elif kept is not None:
            found = Copy(kept[0].content, kept[0].etag, time.time()), kept[1]
        else:
            raise RegistryError("it says 'not modified' (304) to somebody who has no copy")
        self._keep(url, found[0])
        return found

    def _keep(self, url: str, copy: Copy) -> None:
        if not self.settings.keep:
            return
        try:
            self._cache.write(url, copy)
        except OSError as error:
            self.notes.append(f"no copy of {url} is kept: {error.filename or self._cache.root}: {error.strerror}")

    # Directories

    def _read(self, path: str, limit: int) -> bytes:
        root = Path(self.url[len("file://") :])
        try:
            top = root.resolve(strict=True)
            real = (top / path).resolve(strict=True)
            if top not in real.parents:
                raise RegistryError("it is a link that leads out of the registry")
            # By the path that was looked at, through no link that came since.
            with below.file(top, real.relative_to(top).as_posix()) as stream:
                content = stream.read(limit + 1)
        except FileNotFoundError as error:
            raise RegistryError("there is no such file") from error
        except RegistryError:
            raise
        except PetalError as error:
            raise RegistryError(f"it cannot be read: {error}") from error
        except (OSError, RuntimeError) as error:
            raise RegistryError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error
        return _bounded(content, limit)

    # https

    def _fetch(self, url: str, limit: int, etag: str) -> Copy | None:
        """A document; None when it is the one with this ETag still."""
        now = time.monotonic()
        self._deadline = self._deadline or now + self.settings.timeout
        left = self._deadline - now
        late = f"no whole answer within {self.settings.timeout} s"
        if left <= 0:
            raise UnreachableError(late)
        outcome: list[Any] = []

        def ask() -> None:
            try:
                outcome.append(self._follow(url, limit, etag, left))
            except Exception as error:
                outcome.append(error)

        # Sockets bound the silence between two bytes only, and name resolution nothing: who dribbles is left behind.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(left)
        if not outcome:
            raise UnreachableError(late)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0] if isinstance(outcome[0], Copy) else None

    def _follow(self, url: str, limit: int, etag: str, left: float) -> Copy | None:
        seen = {url}
        while True:
            self.requests += 1
            with contextlib.closing(self._open(url, etag, left)) as answer:
                status = int(answer.code)
                if status in REDIRECTS:
                    url = _next(url, answer.headers.get("Location"))
                    if url in seen:
                        raise RegistryError("it is redirected in a circle")
                    seen.add(url)
                    if len(seen) > REDIRECTS_LIMIT + 1:
                        raise RegistryError(f"it is redirected more than {REDIRECTS_LIMIT} times")
                    self._check_reach(url)
                    continue
                return _content(answer, status, limit)

    def _check_reach(self, url: str) -> None:
        """Raise RegistryError where a redirect leads into a network that its author could not reach by himself.

        The registry's own host may be anywhere: whoever named it meant it. A name whose address changes between this
        look and the connection gains nothing: what answers has no certificate for it, and TLS ends before it is asked.
        """
        host = urllib.parse.urlsplit(url).hostname or ""
        if self.settings.private_redirects or host == urllib.parse.urlsplit(self.url).hostname:
            return
        for address in _addresses(host):
            if not reach.is_public(address):
                raise RegistryError(
                    f"it is redirected to {shown(host)}, which is at {address}: such an address is of a private"
                    " network or of this machine. Where that is meant, the site says so with"
                    " registry_private_redirects: true"
                )

    def _open(self, url: str, etag: str, left: float) -> Any:
        # Credentials of a .netrc are not for whoever a registry redirects to. Compressed answers have no bound.
        options = {"follow_redirects": "none", "decompress": False, "use_netrc": False, "http_agent": "petal.hpc"}
        headers = {"Accept": "application/json", **({"If-None-Match": etag} if etag else {})}
        try:
            return open_url(
                url,
                method="GET",
                headers=headers,
                timeout=max(0.1, min(SILENCE, left)),
                ca_path=self.settings.ca_path,
                **options,
            )
        except urllib.error.HTTPError as error:
            # Any other status than 200, redirects among them.
            return error
        except (ssl.SSLError, urllib.error.URLError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, ssl.SSLError):
                said = getattr(cause, "verify_message", "") or cause.reason or "no TLS"
                raise RegistryError(f"there is no TLS connection that can be trusted: {shown(said)}") from error
            raise UnreachableError(f"it cannot be reached: {shown(str(cause))}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnreachableError(f"it cannot be reached: {shown(str(error) or type(error).__name__)}") from error


def _bounded(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise RegistryError(f"it has more than {limit // 1024} KiB")
    return content


def _next(url: str, location: Any) -> str:
    """Where a redirect leads. Raises RegistryError unless that is https, without credentials in it."""
    try:
        target = urllib.parse.urljoin(url, location or "")
        parts = urllib.parse.urlsplit(target)
    except (ValueError, TypeError) as error:
        raise RegistryError(f"it is redirected to {shown(str(location))}, which is no address") from error
    host = f"https://{parts.netloc}/"
    if not location or parts.scheme != "https" or len(target) > 2000 or grammar.registry_url(host) is not None:
        raise RegistryError(f"it is redirected to {shown(str(location))}, and only https:// is followed")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise RegistryError(f"it is redirected to {shown(target)}, which is no address")
    return str(target)


def _addresses(host: str) -> list[str]:
    """All addresses of a host. Raises UnreachableError for a name that has none.

    Behind a proxy it is the proxy that looks names up, and may be the only one who can: then those alone are known that
    the text itself says.
    """
    proxied = "https" in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)
    flags = socket.AI_NUMERICHOST if proxied else 0
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError) as error:
        if proxied:
            return ["127.0.0.1"] if host == "localhost" or host.endswith(".localhost") else []
        raise UnreachableError(f"it cannot be reached: {shown(host)}: {shown(str(error))}") from error
    return sorted({str(one[4][0]) for one in found})


def _content(answer: Any, status: int, limit: int) -> Copy | None:
    if status == 304:
        return None
    if status in (429, 500, 502, 503, 504):
        raise UnreachableError(f"its server answers with HTTP status {status}")
    if status != 200:
        raise RegistryError(f"its server answers with HTTP status {status}")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise RegistryError(f"it has more than {limit // 1024} KiB")
    content = bytearray()
    try:
        while len(content) <= limit and (block := answer.read(min(BLOCK, limit + 1 - len(content)))):
            content += block
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"its answer breaks off: {shown(str(error) or type(error).__name__)}") from error
    if length.isdigit() and len(content) < int(length):
        raise UnreachableError("its answer breaks off")
    etag = answer.headers.get("ETag") or ""
    return Copy(_bounded(bytes(content), limit), etag if _ETAG.fullmatch(etag) else "", time.time())
