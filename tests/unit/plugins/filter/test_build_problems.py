"""The filter takes a plan as the role has it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_problems import build_problems
from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import HostFacts

PLAN = {"provider": "local", "size_gb": "1", "seed": {"software": {"spack_packages": [], "python_environments": []}}}


def test_the_seen_host_is_judged() -> None:
    seen = {**HostFacts("builder", missing=("zstd",)).to_dict(), "full": []}
    assert len(build_problems(PLAN, seen)) == 1
    assert build_problems(PLAN, {}) == build_problems({**PLAN, "provider": "aws"}) == []


def test_what_the_controller_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    [text] = build_problems({**PLAN, "provider": "aws"})
    assert "ssh, ssh-keygen" in text


def test_anything_but_a_plan() -> None:
    with pytest.raises(AnsibleFilterError, match="takes a plan"):
        build_problems("x")
