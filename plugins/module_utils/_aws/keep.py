# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the host and the volume of a build that failed: only software that fails takes its volume along."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.estimate import day_of_volume

SOFTWARE = "software"
INFRASTRUCTURE = "infrastructure"
WISH = "wish"

# What an installing task says when it was not the software that failed: the way to the host, AWS, the network, or the
# host's own means. None of it is in the fingerprint, so the same build goes on when it is mended. Of two mistakes the
# one that keeps a volume for some cents a day is the better.
_NOT_THE_SOFTWARE = tuple(
    re.compile(pattern)
    for pattern in (
        # Ansible's connection plugins, and a module that never answered.
        r"UNREACHABLE|Failed to connect to the host|Shared connection to \S+ closed|Connection to \S+ closed",
        r"SSM .{0,40}(timed out|exited)|Timeout \(\d+s\) waiting for privilege escalation",
        r"MODULE FAILURE|Module result deserialization failed|No start of json char found",
        # botocore.
        r"An error occurred \([\w.]+\) when calling|Unable to locate credentials|Could not connect to the endpoint",
        r"\b(\w+LimitExceeded|Insufficient\w*Capacity|ExpiredToken|Throttling(Exception)?)\b",
        # errno(3), as programs and Python print it.
        r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error|Stale file handle",
        r"Transport endpoint is not connected|Structure needs cleaning",
        # What was read from a disk that failed, and an archive that did not come whole.
        r"\bBus error\b|(gzip|bzip2|xz|zstd): .{0,120}[Uu]nexpected end of|Unexpected EOF in archive",
        r"Compressed file ended before the end-of-stream marker",
        r"Connection (refused|reset|timed out|aborted)|Network is unreachable|No route to host|Broken pipe",
        r"[Tt]emporary failure in name resolution|Name or service not known|dns error",
        r"Resource temporarily unavailable|Too many open files",
        # Memory: errno(3), GCC's driver, C++, Python.
        r"Cannot allocate memory|[Oo]ut of memory|virtual memory exhausted|std::bad_alloc|\bMemoryError\b",
        # Ended from outside, as make, the shell, GCC's driver, Python and uv say it: SIGKILL and SIGTERM.
        r"(?m:^|[\s:])(Killed|Terminated)\s*(?m:$)|line \d+: +\d+ (Killed|Terminated)\b",
        r"\b(Killed|Terminated) signal terminated|internal compiler error: (Killed|Terminated)\b",
        r"[Ss]ignal:? (9|15)\b|<Signals\.SIG(KILL|TERM)\b|\b(with status|exit code) -(9|15)\b",
        r"\b(exit code|Error|status|code)[:=]? ?(137|143)\b",
        # curl and its library, by their codes (libcurl-errors(3)) and in their words, as Git and CMake pass them on.
        r"[Cc]url: \((5|6|7|18|28|35|52|55|56|92)\)|[Cc]url error|[Oo]peration timed out|Operation too slow",
        r"(Could not|Couldn't|could not|couldn't) (resolve host|connect to server)|Timeout was reached",
        r"GnuTLS recv error|gnutls_handshake\(\) failed|unexpected eof while reading|SSL_ERROR_SYSCALL",
        r"HTTP/2 stream \d+ was not closed cleanly",
        # Git and SSH.
        r"early EOF|unexpected disconnect|RPC failed|hung up unexpectedly|kex_exchange_identification",
        r"Connection closed by \S+ port|invalid index-pack output",
        # pip and uv, with what is below them; Python's own.
        r"[Rr]ead timed out|Connection to \S+ timed out|\bTimeoutError:|socket\.timeout|TLS handshake timeout",
        r"[Nn]etwork timeout|[Ee]rror sending request|[Ee]rror decoding response body|request or response body error",
        r"connection closed before message completed|TLS close_notify|tls handshake eof|EOF during handshake",
        r"end of file before message length|Response ended prematurely|Server disconnected|http2 error",
        r"Request failed after \d+ retries|Failed to connect to",
        # With what it was called with; not a class of that name, nor C++'s.
        r"RemoteDisconnected|IncompleteRead|\b(ConnectionError|ProtocolError|SSLError)(\([A-Z'\"]|: )|<url\w+ error",
        # Spack and apt.
        r"Failed to fetch|FetchError|All fetchers failed|All mirrors were tried|Could not get lock /var/lib",
        r"\b429 Too Many Requests|\b(HTTP Error|returned error:|status code) ?(408|429|5\d\d)\b",
        r"HTTP status (client|server) error \((408|429|5\d\d)\b",
        r"\b5\d\d Server Error\b",
        r"\b50[0234] (Internal Server Error|Bad Gateway|Service (Temporarily )?Unavailable|Gateway Time-?out)",
        # Our own (_host/parse.py, _spack/messages.py, _python/problems.py): it was not finished, and nothing was wrong.
        r"was ended after its time-out of|was killed from outside|was ended from outside",
        r"was ended by signal (1|2|9|15)\b|could not be reached from|cannot reach the package index",
        r"does not trust that server's certificate",
    )
)


@dataclass(frozen=True)
class Fate:
    """What is kept. because: SOFTWARE, INFRASTRUCTURE or WISH."""

    keep_volume: bool
    keep_host: bool
    because: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def cause_of(said: str, *, installing: bool, unreachable: bool = False) -> str:
    """Whose failure it is: of the SOFTWARE, or of the INFRASTRUCTURE that was to build it.

    :param said: what the failed task said.
    :param installing: whether it was a task that installs packages or environments. Nothing else can be its failure.
    :param unreachable: whether the host could not be reached.
    """
    if not installing or unreachable or any(pattern.search(said) for pattern in _NOT_THE_SOFTWARE):
        return INFRASTRUCTURE
    return SOFTWARE


def decide(cause: str, *, work: bool, running: bool, keep_on_failure: bool) -> Fate:
    """What a failed build leaves.

    :param work: whether there is something on the volume, or nobody could say that there is not.
    :param running: whether an install may go on by itself on a host that cannot be reached.
    :param keep_on_failure: the user's wish.
    """
    if keep_on_failure:
        return Fate(keep_volume=True, keep_host=True, because=WISH)
    if cause == SOFTWARE or not work:
        return Fate(keep_volume=False, keep_host=False, because=cause)
    return Fate(keep_volume=True, keep_host=running, because=cause)


def say(fate: Fate, build: Mapping[str, Any]) -> str:
    """What is left, what it costs, and how to go on.

    :param build: ``build_id``, ``region``, ``seed`` (as extra variables name it), ``size_gb``, ``volume_type``,
        ``iops``, ``throughput``, ``volume_id`` (empty where nobody knows it), ``kept_days``.
    """
    if not fate.keep_volume:
        return (
            "Nothing is left behind; -e keep_on_failure=true keeps the host and the volume, and the next run goes on "
            "with them."
        )
    day = day_of_volume(
        str(build["volume_type"]), int(build["size_gb"]), build.get("iops") or None, build.get("throughput") or None
    )
    price = f"about {day:.2f} USD a day (us-east-1's price)" if day >= 0.01 else "less than a cent a day"
    if fate.because == WISH:
        return (
            f"Kept: everything {_tagged(build)}, the host at AWS's price, the volume for {price}.\n"
            f"Go on: {_again(build)}\nRemove it: {_removal(build)}"
        )
    volume = f"the volume {build['volume_id']}" if build.get("volume_id") else "the volume"
    host = (
        "The host cannot be reached, and the install may go on there: it is left alone, and ends by itself."
        if fate.keep_host
        else "No host is left."
    )
    return (
        f"This is no failure of the software, so what was finished is kept: {volume} ({build['size_gb']} GiB, "
        f"{price}), {_tagged(build)}. {host}\n"
        f"Go on: {_again(build)}\n"
        f"Remove it: {_removal(build, 'detached', 'kept') if fate.keep_host else _removal(build, 'kept')} "
        f"(without kept=true, cleanup spares it for {build['kept_days']} days)"
    )


def say_undone(fate: Fate) -> str:
    """What was decided, where it could not be done; why not comes behind it."""
    if fate.keep_volume:
        return "What was finished shall be kept, and that could not be seen to:"
    return "It could not be cleared up:"


def say_otherwise(build: Mapping[str, Any]) -> str:
    """How to go on where what was decided could not be done: nobody knows what is left then.

    :param build: as for ``say``, with ``deadline``, where it is known.
    """
    ends = build.get("deadline") or "its time-out"
    return (
        f"Whatever is left is {_tagged(build)}; a host of it ends by itself an hour after {ends}, and a "
        f"clean-up spares a volume with work on it.\n"
        f"Go on: {_again(build)}\nRemove it: {_removal(build, 'detached', 'kept')}"
    )


def _tagged(build: Mapping[str, Any]) -> str:
    return f"tagged petal:build-id={build['build_id']} in {build['region']}"


def _again(build: Mapping[str, Any]) -> str:
    return f"ansible-playbook petal.hpc.build_volume -e {build['seed']}"


def _removal(build: Mapping[str, Any], *spared: str) -> str:
    # Of this build alone: others keep something, too.
    variables = [f"region={build['region']}", f"build_id={build['build_id']}", *(f"{one}=true" for one in spared)]
    return f"ansible-playbook petal.hpc.cleanup {' '.join(f'-e {shlex.quote(one)}' for one in variables)}"
