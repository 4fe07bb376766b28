"""What is kept of a build that failed: a decision for each cause."""

from __future__ import annotations

from typing import Any
from urllib.error import URLError

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.keep import (
    INFRASTRUCTURE,
    SOFTWARE,
    WISH,
    Fate,
    cause_of,
    decide,
    say,
    say_otherwise,
    say_undone,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import signal_hint
from ansible_collections.petal.hpc.plugins.module_utils._python import problems
from ansible_collections.petal.hpc.plugins.module_utils._python.model import Environment, Settings
from ansible_collections.petal.hpc.plugins.module_utils._spack.messages import (
    ended_message,
    refused_message,
    terminated_message,
    unsolved_message,
)

BUILD: dict[str, Any] = {
    "build_id": "20261126T010203Z-0123abcd",
    "region": "eu-west-1",
    "seed": "seed='seeds/my seed.yaml' -e os=rhel9",
    "size_gb": 500,
    "volume_type": "gp3",
    "iops": 3000,
    "throughput": 125,
    "volume_id": "vol-0123456789abcdef0",
    "kept_days": 7,
    "deadline": "2026-11-26T13:02:03Z",
}


@pytest.mark.parametrize(
    "said",
    [
        "ssh: Failed to connect to the host via ssh: Connection timed out",
        "launching c6a.4xlarge on demand: InsufficientInstanceCapacity: no.",
        "An error occurred (RequestLimitExceeded) when calling the DescribeVolumes operation: slow down",
        "pushing failed: ExpiredToken: The provided token has expired.",
        "==> Error: [Errno 28] No space left on device: '/shared/spack/opt'",
        "/bin/sh: line 1:  8123 Bus error               (core dumped) ld -o x x.o",
        "gzip: stdin: unexpected end of file",
        "xz: (stdin): Unexpected end of input",
        "tar: Unexpected EOF in archive",
        "EOFError: Compressed file ended before the end-of-stream marker was reached",
        "OSError: [Errno 30] Read-only file system: '/shared/.petal'",
        "g++: fatal error: Killed signal terminated program cc1plus",
        "fatal: unable to access 'https://github.com/': Could not resolve host: github.com",
        "error sending request for url (https://index.example.org/simple/numpy/)",
        "curl: (28) Operation timed out after 10001 milliseconds",
        "The installation of the environment x was ended after its time-out of 60 s. Everything that was finished",
        ended_message("x", ["gcc@12.2.0"], "x.log", 60),
        ended_message("x", ["gcc@12.2.0"], "x.log", None),
        terminated_message("x", ["gcc@12.2.0"], "x.log"),
        "==> Error: FetchError: All fetchers failed for spack-stage-zlib-1.3.1",
        "==> Error: All mirrors were tried, and none had zlib-1.3.1.tar.gz",
        "urllib.error.HTTPError: HTTP Error 503: Service Temporarily Unavailable",
        str(URLError(OSError(-3, "Try again"))),
        "http.client.RemoteDisconnected: Remote end closed connection without response",
        "IncompleteRead(2048 bytes read, 512 more expected)",
        "fatal: early EOF",
        "error: RPC failed; curl 56 Recv failure",
        "Curl error (28): Timeout was reached",
        "curl: (6) Could not resolve host: index.example.org",
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812",
        "HTTP status server error (502 Bad Gateway) for url (https://index.example.org/simple/numpy/)",
        "HTTP status client error (429 Too Many Requests) for url",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "MemoryError",
        "g++: fatal error: Killed signal terminated program cc1plus",
        "collect2: fatal error: ld terminated with signal 9 [Killed]",
        "make[2]: *** [Makefile:4: x.o] Killed",
        "make: *** [Makefile:4: x.o] Error 137",
        "MODULE FAILURE: No start of json char found",
        "Module result deserialization failed: No start of json char found",
        "error: network timeout, try increasing UV_HTTP_TIMEOUT",
        "error decoding response body: connection closed before message completed",
        "peer closed connection without sending TLS close_notify",
        "tls handshake eof",
        "gnutls_handshake() failed: The TLS connection was non-properly terminated.",
        "fatal: the remote end hung up unexpectedly",
        "x.c:1:1: internal compiler error: Killed (program cc1)",
        "/bin/sh: line 1:  8123 Killed                  gcc -c x.c",
        "fork: retry: Resource temporarily unavailable",
        "OSError: [Errno 24] Too many open files: 'x'",
        "mounting: mount ended with status -9: no message",
        "make: *** [Makefile:4: x.o] Terminated",
        "make: *** [Makefile:4: x.o] Error 143",
        "gcc: fatal error: Terminated signal terminated program cc1plus",
        "error: command '/usr/bin/gcc' terminated by signal 15",
        "Build backend failed (signal: 9 (SIGKILL))",
        "subprocess.CalledProcessError: Command '['x']' died with <Signals.SIGTERM: 15>.",
        "==> Error: ProcessError: Command exited with status -15",
        "curl: (18) transfer closed with 12345 bytes remaining to read",
        "curl: (52) Empty reply from server",
        "curl: (92) HTTP/2 stream 1 was not closed cleanly: INTERNAL_ERROR (err 2)",
        "GnuTLS recv error (-54): Error in the pull function.",
        "kex_exchange_identification: Connection closed by remote host",
        "Connection to pypi.example.org timed out. (connect timeout=15)",
        'status_code: 7 status_string: "Couldn\'t connect to server"',
        'status_code: 6 status_string: "Couldn\'t resolve host name"',
        "http2 error: stream error received: refused stream before processing any application logic",
        "TimeoutError: timed out",
        "unexpected EOF during handshake",
        "OSError: [Errno 116] Stale file handle",
        "Transport endpoint is not connected",
        "Response ended prematurely",
        "request or response body error",
        "Request failed after 3 retries",
        "503 Service Temporarily Unavailable",
        "virtual memory exhausted",
        "error: command '/usr/bin/gcc' failed with exit code -9",
        "Build backend failed to build wheel (exit status: 137)",
        "FAILED: [code=137] x.o",
        "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded",
        "SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol'))",
        "urllib3.exceptions.ProtocolError: ('Connection broken: x', y)",
        "Connection closed by 192.0.2.1 port 22",
        "fatal: fetch-pack: invalid index-pack output",
        "HTTP/2 stream 1 was not closed cleanly: CANCEL (err 8)",
        *(signal_hint(status) for status in (-1, -2, -9, -15, 137, 143)),
        unsolved_message("x", signal_hint(-9)),
        # Whatever the hints about a network are made of, the seed's software is not to blame.
        problems.network_hint("cause: dns error", Settings("uv", "/c"), "head"),
        problems.network_hint(
            "Connection refused", Settings("uv", "/c", "https://me:secret@x.example.org/simple"), "head"
        ),
        problems.network_hint("invalid peer certificate: UnknownIssuer", Settings("uv", "/c"), "head"),
        problems.unreachable_python(Environment("sci", "1", (), "3.12"), Settings("uv", "/c"), "head"),
        problems.unreachable_python(
            Environment("sci", "1", (), "3.12"), Settings("uv", "/c", python_mirror="https://x.example.org"), "head"
        ),
    ],
)
def test_what_is_no_failure_of_the_software(said: str) -> None:
    assert cause_of(said, installing=True) == INFRASTRUCTURE


@pytest.mark.parametrize(
    "said",
    [
        "samtools@1.17 failed in phase build: see the log samtools.log",
        "no solution found when resolving dependencies: numpy==9 is not there",
        "make: *** [Makefile:12: all] Error 2 (exit code 1)",
        "==> Error: concretization failed: zlib@1.2.13 and zlib@1.3.1",
        "Python environment wrong/1: could not resolve: No solution found when resolving dependencies",
        "HTTP status client error (404 Not Found) for url (https://index.example.org/simple/nosuchthing/)",
        "error: 'Killed' was not declared in this scope",
        "killed_by: undeclared identifier; error: 503 is not a constant",
        "undefined reference to `gnutls_handshake'",
        "error: 'SSL_close_notify' was not declared in this scope",
        "error: SIGKILL undeclared (first use in this function)",
        "ImportError: cannot import name 'SSLError' from 'requests.exceptions'",
        "zlib.error: Error -9 while decompressing",
        "ImportError: cannot import name 'TimeoutError' from 'x'",
        "undefined symbol: PyExc_TimeoutError",
        "undefined reference to `PyExc_MemoryError'",
        "net.cpp:4:1: error: no declaration matches 'ConnectionError::ConnectionError(int)'",
        "curl: (22) The requested URL returned error: 404",
        "terminated by signal 11",
        # A crash of its own, as with a processor that it was not built for.
        *(signal_hint(status) for status in (-4, -6, -11, 139)),
        refused_message("x", "==> Error: Package 'nonexist' not found."),
        unsolved_message("x", signal_hint(-11)),
        "",
    ],
)
def test_a_failure_of_the_software(said: str) -> None:
    assert cause_of(said, installing=True) == SOFTWARE
    # Where nothing is being installed, it cannot have failed.
    assert cause_of(said, installing=False) == INFRASTRUCTURE
    assert cause_of(said, installing=True, unreachable=True) == INFRASTRUCTURE


@pytest.mark.parametrize(
    ("cause", "work", "running", "wish", "fate"),
    [
        (INFRASTRUCTURE, True, False, False, Fate(True, False, INFRASTRUCTURE)),
        (INFRASTRUCTURE, True, True, False, Fate(True, True, INFRASTRUCTURE)),
        # Nothing on it that would be worth its price.
        (INFRASTRUCTURE, False, False, False, Fate(False, False, INFRASTRUCTURE)),
        (INFRASTRUCTURE, False, True, False, Fate(False, False, INFRASTRUCTURE)),
        (SOFTWARE, True, False, False, Fate(False, False, SOFTWARE)),
        (SOFTWARE, True, True, False, Fate(False, False, SOFTWARE)),
        (SOFTWARE, True, False, True, Fate(True, True, WISH)),
        (INFRASTRUCTURE, False, False, True, Fate(True, True, WISH)),
    ],
)
def test_only_software_and_wishes_remove_work(cause: str, work: bool, running: bool, wish: bool, fate: Fate) -> None:
    assert decide(cause, work=work, running=running, keep_on_failure=wish) == fate


def test_what_is_said_of_kept_work() -> None:
    text = say(Fate(True, False, INFRASTRUCTURE), BUILD)
    # 500 GiB x 0.08 USD / 30
    assert "the volume vol-0123456789abcdef0 (500 GiB, about 1.33 USD a day (us-east-1's price))" in text
    assert "petal:build-id=20261126T010203Z-0123abcd in eu-west-1. No host is left." in text
    assert "Go on: ansible-playbook petal.hpc.build_volume -e seed='seeds/my seed.yaml' -e os=rhel9\n" in text
    # Others keep something in the same Region.
    removal = "ansible-playbook petal.hpc.cleanup -e region=eu-west-1 -e build_id=20261126T010203Z-0123abcd"
    assert f"Remove it: {removal} -e kept=true (" in text
    assert "spares it for 7 days" in text


def test_what_is_said_of_the_rest() -> None:
    running = say(Fate(True, True, INFRASTRUCTURE), {**BUILD, "volume_id": "", "size_gb": 2})
    assert "kept: the volume (2 GiB, less than a cent a day)" in running
    assert "The host cannot be reached, and the install may go on there" in running
    wish = say(Fate(True, True, WISH), BUILD)
    assert wish.startswith("Kept: everything tagged petal:build-id=20261126T010203Z-0123abcd")
    assert "Go on: ansible-playbook petal.hpc.build_volume" in wish
    assert "kept=true" not in wish
    assert "-e build_id=20261126T010203Z-0123abcd" in wish
    assert say(Fate(False, False, SOFTWARE), BUILD).startswith("Nothing is left behind; -e keep_on_failure=true")


def test_what_is_said_where_it_could_not_be_done() -> None:
    text = say_otherwise(BUILD)
    assert "tagged petal:build-id=20261126T010203Z-0123abcd in eu-west-1" in text
    assert "an hour after 2026-11-26T13:02:03Z" in text
    assert "an hour after its time-out" in say_otherwise({**BUILD, "deadline": ""})
    assert "No host is left" not in text
    assert "Go on: ansible-playbook petal.hpc.build_volume -e seed='seeds/my seed.yaml' -e os=rhel9\n" in text
    assert "-e build_id=20261126T010203Z-0123abcd -e detached=true -e kept=true" in text


def test_iops_and_throughput_cost_too() -> None:
    # 500 x 0.08 + 3,000 IOPS x 0.005 + 125 MiB/s x 0.04 more than what is included, a month
    assert "about 2.00 USD a day" in say(Fate(True, False, INFRASTRUCTURE), {**BUILD, "iops": 6000, "throughput": 250})


def test_what_could_not_be_done_is_said_before_the_reason() -> None:
    kept = decide(INFRASTRUCTURE, work=True, running=False, keep_on_failure=False)
    assert say_undone(kept) == "What was finished shall be kept, and that could not be seen to:"
    removed = decide(SOFTWARE, work=True, running=False, keep_on_failure=False)
    assert say_undone(removed) == "It could not be cleared up:"
