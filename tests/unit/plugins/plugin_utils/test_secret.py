# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a secret from where it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.references import parse_reference
from ansible_collections.petal.hpc.plugins.plugin_utils.secret import secret


class Looked:
    """One of amazon.aws's lookups, in place of AWS."""

    def __init__(self, asked: Asked, plugin: str) -> None:
        self._asked = asked
        self._plugin = plugin

    def run(self, terms: list[str], variables: Any, **options: Any) -> list[Any]:
        self._asked.calls.append((self._plugin, terms, options))
        if terms == ["/nowhere"]:
            raise AnsibleLookupError(f"Failed to find it with {len(variables)} variables")
        return ["secret"]


class Asked:
    """What gives them, and what they were asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str], dict[str, Any]]] = []

    def __call__(self, plugin: str) -> Looked:
        return Looked(self, plugin)


def read(text: str, asked: Asked | None = None, region: str = "") -> str:
    return secret(parse_reference(text, "the_key"), "the_key", region, asked or Asked(), {})


def test_of_the_controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("text\n")
    assert read(f"file:{tmp_path}/key") == "text\n"
    monkeypatch.setenv("PETAL_KEY", "text")
    assert read("env:PETAL_KEY") == "text"
    monkeypatch.setenv("PETAL_KEY", " ")
    with pytest.raises(PetalError, match="the_key \\(env:PETAL_KEY\\) is empty on the controller"):
        read("env:PETAL_KEY")
    with pytest.raises(PetalError, match="cannot be read on the controller: No such file or directory"):
        read(f"file:{tmp_path}/nothing")
    with pytest.raises(PetalError, match="nobody there has that home directory"):
        read("file:~nobody-of-this-name/key")
    (tmp_path / "long").write_text("x" * 65537)
    with pytest.raises(PetalError, match="is longer than 65536 characters"):
        read(f"file:{tmp_path}/long")


def test_of_aws() -> None:
    asked = Asked()
    assert read("ssm:/petal/key", asked, "eu-central-1") == "secret"
    assert read("secretsmanager:petal", asked) == "secret"
    arn = "arn:aws:ssm:us-east-1:111122223333:parameter/key"
    read(f"ssm:{arn}", asked, "eu-central-1")
    assert asked.calls == [
        ("amazon.aws.ssm_parameter", ["/petal/key"], {"region": "eu-central-1"}),
        ("amazon.aws.secretsmanager_secret", ["petal"], {}),
        ("amazon.aws.ssm_parameter", [arn], {"region": "us-east-1"}),
    ]
    with pytest.raises(PetalError, match="ssm:/nowhere\\) could not be read with the controller's credentials: Failed"):
        read("ssm:/nowhere")
