# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._python import problems
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Settings,
)

SCI = Environment("sci", "2026.1", ("NumPy==2.2.*", "PyYAML"))
SETTINGS = Settings("/var/cache/petal/bin/uv-0.13.9", "/var/cache/petal")
# As uv 0.13.9 says it.
EXCLUDED = """error: No solution found when resolving dependencies
  cause: Because there are no versions of six and you require six, we can conclude that your requirements are \
unsatisfiable.

hint: `six` was filtered by `exclude-newer` to only include packages uploaded before 2010-01-02T00:00:00Z. The latest \
version satisfying the requirement is v1.17.0{published}. Consider using `exclude-newer-package` to override the \
cutoff for this package."""
# As uv 0.13.9 says it.
NO_WHEEL = (
    "hint: Wheels are required for `My_Pkg` because building from source is disabled for all packages (i.e., with ...)",
    "error: Failed to build `my-pkg @ file:///x.zip`\n  cause: Building source distributions for `my-pkg` is disabled",
    "error: Building source distributions is disabled, but attempted to build `my-pkg`",
    "error: `my-pkg` can't be installed because it is marked as `--no-build` but has no binary distribution",
)


def test_a_day_before_everything_and_an_index_without_days_are_told_apart() -> None:
    dated = Environment("a", "1", ("six",), as_of="2010-01-01")
    published = EXCLUDED.format(published=", published at 2024-12-04T17:35:26.475Z")
    assert "Nothing that fits was published by 2010-01-01" in problems.date_hint(published, dated)
    assert "gives no upload dates" in problems.date_hint(EXCLUDED.format(published=""), dated)
    assert problems.date_hint("error: no such package", dated) == ""
    assert problems.date_hint(published, SCI) == ""


@pytest.mark.parametrize(
    ("status", "output", "problem"),
    [
        (0, "", ""),
        (1, "*** Error compiling '/e/old.py'...\nSyntaxError: Missing parentheses (old.py, line 1)\n", ""),
        (
            1,
            "*** Error compiling '/e/x.py'...\nOSError: [Errno 28] No space left on device\n",
            "OSError: [Errno 28] No space left on device",
        ),
        (137, "Killed\n", "Killed"),
    ],
)
def test_bytecode(status: int, output: str, problem: str) -> None:
    assert problems.bytecode_problem(status, output) == problem


@pytest.mark.parametrize("said", NO_WHEEL)
def test_what_has_no_wheel_is_named_with_what_to_add(said: str) -> None:
    environment = Environment("a", "1", ("x",), build=("other",))
    assert "my-pkg would have to be built" in problems.wheel_hint(said, environment)
    assert "build: [my-pkg, other] to this environment (software.python_environments[].build)" in problems.wheel_hint(
        said, environment
    )


def test_other_failures_are_not_about_wheels() -> None:
    assert problems.wheel_hint("error: No solution found\n  cause: there is no version of six==999", SCI) == ""


def test_reason_is_one_line_without_passwords() -> None:
    output = (
        "Resolving\nerror: Request failed after 3 retries\n  cause: Failed to fetch: `https://me:secret@x.example.org/a`\n"
        "  cause: dns error\n"
    )
    assert problems.reason(output) == (
        "Request failed after 3 retries; Failed to fetch: `https://***@x.example.org/a`; dns error"
    )
    assert problems.reason("a\nb\nc\nd\n") == "b; c; d"
    assert problems.reason("") == "no message"
    assert len(problems.reason("error: " + "x" * 5000)) == 700


def test_hints() -> None:
    mirror = Settings("uv", "/c", "https://me:secret@mirror.example.org/simple")
    assert "python_environments_index_url" in problems.network_hint("cause: dns error", SETTINGS, "head")
    assert "https://***@mirror.example.org/simple" in problems.network_hint(
        "Connection refused (os error 111)", mirror, "head"
    )
    assert "SSL_CERT_FILE" in problems.network_hint("invalid peer certificate: UnknownIssuer", SETTINGS, "head")
    assert "SSL_CERT_FILE" in problems.network_hint("[SSL: CERTIFICATE_VERIFY_FAILED] x", SETTINGS, "head")
    for said in ("operation timed out", "network timeout", "ConnectTimeoutError(x)", "tunnel error: unsuccessful"):
        assert "cannot reach the package index" in problems.network_hint(said, SETTINGS, "head")
    for name in ("numpy", "async-timeout", "sshtunnel", "certificates"):
        assert problems.network_hint(f"there is no version of {name}==99", SETTINGS, "head") == ""
    line = problems.unreachable_python(Environment("sci", "1", (), "3.12"), SETTINGS, "head")
    assert "sci/1" in line and "GitHub" in line and "python_environments_python_mirror" in line and "\n" not in line


def test_secrets_of_urls() -> None:
    assert problems.url_secrets("https://me:secret@x.example.org/simple") == ["me:secret", "secret"]
    assert problems.url_secrets("https://token@x.example.org/simple") == ["token"]
    assert problems.url_secrets("https://x.example.org/a@b") == []
    assert problems.url_secrets("") == []


def test_last_line() -> None:
    assert problems.last_line("Traceback\n  File\nImportError: no libGL\n\n") == "ImportError: no libGL"
    assert problems.last_line("") == "no message"
