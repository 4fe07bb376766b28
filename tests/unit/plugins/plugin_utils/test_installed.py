"""What is installed beside this Ansible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from playing import ROOT

from ansible_collections.petal.hpc.plugins.filter.usable_provider import usable
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import installed


def test_packages_and_collections_are_found() -> None:
    assert installed.there("yaml") and installed.there("ansible_collections.amazon.aws")
    assert not installed.there("nowhere.at.all") and not installed.there("ansible_collections.no.such")


def test_the_version_is_in_the_manifest_or_in_galaxy_yml(tmp_path: Path) -> None:
    assert installed.version() == yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    with pytest.raises(PetalError, match="Install the collection anew"):
        installed.version(tmp_path)
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3")
    assert installed.version(tmp_path) == "1.2.3"
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "4.5.6"}}))
    assert installed.version(tmp_path) == "4.5.6"


def test_a_provider_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [usable("local"), usable("aws")] == ["local", "aws"]
    monkeypatch.setattr(installed, "there", lambda _name: False)
    assert usable("local") == "local"
    with pytest.raises(AnsibleFilterError, match=r"the provider aws needs the collection amazon\.aws"):
        usable("aws")
