"""A look-up that needs nothing of AWS runs the module that takes nothing of it along."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import installed
from ansible_collections.petal.hpc.plugins.plugin_utils.snapshot_info import LOCAL, WITH_AWS, module_for

AWS: list[dict[str, Any]] = [
    {"provider": "aws", "region": "us-east-1"},
    {"sources": [{"type": "organization", "priority": 1, "store": "s3://lab/petal"}]},
]


def test_directories_are_read_by_the_local_module() -> None:
    given = {"provider": "local", "store": "/x", "region": "us-east-1", "registry_url": "file:///r", "misspelt": 1}
    # What it does not know it refuses itself.
    assert module_for(given) == (LOCAL, {"store": "/x", "misspelt": 1})


@pytest.mark.parametrize("arguments", [*AWS, {"provider": "azure"}])
def test_the_rest_by_the_one_that_asks_aws(arguments: dict[str, Any]) -> None:
    assert module_for(arguments) == (WITH_AWS, arguments)


@pytest.mark.parametrize("arguments", AWS)
def test_without_the_collection_it_is_one_error(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "there", lambda _name: False)
    with pytest.raises(PetalError, match=r"ansible-galaxy collection install amazon\.aws"):
        module_for(arguments)
    assert module_for({"store": "/x"})[0] == LOCAL
