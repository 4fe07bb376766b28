"""EC2 is asked for instance types that the table doubts, where it can be asked."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from ansible_collections.petal.hpc.plugins.plugin_utils import instance_types

NAMES = frozenset({"c5.large", "c5.8xlarge", "c99.large"})


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Answers are kept for a run."""
    instance_types.sold.cache_clear()
    yield
    instance_types.sold.cache_clear()


def test_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        assert instance_types.sold("us-east-1", NAMES) == frozenset({"c5.large"})


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "no address"])
def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert instance_types.sold("us-east-1", NAMES) is None


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert instance_types.sold("us-east-1", NAMES) is None
