# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a secret is kept, as a site names it."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.references import Reference, parse_reference


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("file:/etc/petal/my key", Reference("file", "/etc/petal/my key")),
        ("file:~/key", Reference("file", "~/key")),
        ("env:PETAL_KEY", Reference("env", "PETAL_KEY")),
        ("ssm:/petal/key", Reference("ssm", "/petal/key")),
        (
            "ssm:arn:aws:ssm:eu-central-1:111122223333:parameter/petal/key",
            Reference("ssm", "arn:aws:ssm:eu-central-1:111122223333:parameter/petal/key", "eu-central-1"),
        ),
        ("secretsmanager:petal/key", Reference("secretsmanager", "petal/key")),
    ],
)
def test_a_reference(text: str, found: Reference) -> None:
    assert parse_reference(text, "x") == found


@pytest.mark.parametrize(
    "text",
    ["", "file:relative", "env:", "env:A B", "ssm:", "vault:x", "/etc/petal/key", "env:-----BEGIN", "file:/a\nb"],
)
def test_what_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(PetalError, match="the_key names no place of a secret; expected file:/PATH, env:NAME") as caught:
        parse_reference(text, "the_key")
    assert "BEGIN" not in str(caught.value)
