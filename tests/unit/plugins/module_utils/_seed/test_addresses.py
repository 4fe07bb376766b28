# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown of an address with a token in it, and what Git gets of it."""

from __future__ import annotations

import base64
import os
import subprocess

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed import shapes
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import (
    GitAccess,
    git_access,
    redacted,
    secrets_of,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/x.git", "https://example.org/x.git"),
        ("https://token@example.org/x.git", "https://example.org/x.git"),
        ("https://user:token@example.org:8443/x", "https://example.org:8443/x"),
        ("https://user:to@ken@example.org/x", "https://example.org/x"),
        ("https://user:to?k#en@example.org/x", "https://example.org/x"),
        ("s3+https://user:token@example.org", "s3+https://example.org"),
        (
            "at https://b.s3.amazonaws.com/l.tar.gz?X-Amz-Signature=0a, gone",
            "at https://b.s3.amazonaws.com/l.tar.gz?… gone",
        ),
        ('{"url": "https://u:p@h/x?sig=1", "a": "b@c"}', '{"url": "https://h/x?…", "a": "b@c"}'),
        ("one https://a:b@c/ two https://d:e@f/", "one https://c/ two https://f/"),
        ("mail to lab@example.org", "mail to lab@example.org"),
        (
            "samtools@1.17 from https://example.org/samtools@1.17",
            "samtools@1.17 from https://example.org/samtools@1.17",
        ),
        ("file:///srv/mirror", "file:///srv/mirror"),
        ("what is that?", "what is that?"),
    ],
)
def test_tokens_are_taken_out_of_texts_and_nothing_else(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://builder:token@example.org/x.git", "builder:token"),
        ("https://token@example.org/x.git", "token:"),
        ("https://b%40lab:t%2Fo%3Aken@example.org/x.git", "b@lab:t/o:ken"),
        ("https://b:t@ken@example.org/x.git", "b:t@ken"),
    ],
)
def test_git_gets_the_login_as_a_header_for_that_repository(url: str, login: str) -> None:
    header = f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"
    key = "http.https://example.org/x.git.extraHeader"
    assert git_access(url) == GitAccess(
        "https://example.org/x.git", {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key}, {"GIT_CONFIG_VALUE_0": header}
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x.git",
        "https://example.org/x@y.git",
        "file:///srv/mirror/spack.git",
        "ssh://git@example.org/x.git",
        "git@example.org:x.git",
        "/srv/spack.git",
        "",
    ],
)
def test_an_address_without_a_login_stays_as_it_is(url: str) -> None:
    assert git_access(url) == GitAccess(url, {}, {})


def test_git_reads_the_settings_for_that_repository_and_for_no_other() -> None:
    access = git_access("https://builder:token@example.org/lab/x.git")
    environment = {"PATH": os.environ["PATH"], **access.environment, **access.secrets}
    for url, expected in ((access.url, 0), ("https://example.org/other.git", 1), ("https://other.org/lab/x.git", 1)):
        asked = ["git", "config", "--get-urlmatch", "http.extraHeader", url]
        assert subprocess.run(asked, env=environment, capture_output=True, check=False).returncode == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://me:t0ken@example.org/a", '"https://…@example.org/a"'),
        ("x @ https://me:t0ken@example.org/x.whl?sig=t0ken", '"x @ https://…@example.org/x.whl?…"'),
        # What tells it from the rest of the address comes late.
        ("https://me:" + "t0ken" * 20 + "@example.org/a", '"https://…@example.org/a"'),
        ("docker://me:t0ken@example.org/x", '"docker://…@example.org/x"'),
        ("me@example.org", '"me@example.org"'),
    ],
)
def test_a_value_of_a_seed_is_shown_without_what_nobody_is_to_see(value: str, expected: str) -> None:
    assert shapes.shown(value) == expected


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://petal:glpat%2D1@registry.example.org/petal/", {"glpat%2D1", "glpat-1"}),
        ("https://glpat-1@registry.example.org/petal/", {"glpat-1"}),
        ("https://registry.example.org/petal/", set()),
        ("ssh://git@registry.example.org/petal", set()),
        ("file:///srv/registry", set()),
    ],
)
def test_what_no_result_of_a_module_may_show_of_an_address(url: str, secrets: set[str]) -> None:
    assert secrets_of(url) == secrets
