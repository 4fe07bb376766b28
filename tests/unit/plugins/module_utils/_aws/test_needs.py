"""Who asks for AWS, and is told what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.needs import NAMES, asked, lacking


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"provider": "aws"}, "the provider aws"),
        ({"remote": "s3://lab/x"}, "the store s3://lab/x"),
        ({"sources": [{"type": "local"}, {"store": "s3://lab"}]}, "the store s3://lab"),
        ({"kms_key_id": "alias/x"}, "the key alias/x in KMS"),
    ],
)
def test_who_asks_for_aws(arguments: dict[str, Any], why: str) -> None:
    assert asked(arguments) == why
    told = lacking(why)
    assert told.startswith(f"{why} needs the collection amazon.aws")
    assert "ansible-galaxy collection install amazon.aws" in told
    assert "pip install boto3" in told


@pytest.mark.parametrize(
    "arguments",
    [{}, {"provider": "local", "region": "us-east-1"}, {"remote": "/net/petal"}, {"sources": "x"}, {"sources": None}],
)
def test_who_does_not(arguments: dict[str, Any]) -> None:
    assert asked(arguments) == ""


def test_the_options_are_those_of_amazon_aws() -> None:
    """A task that is right with the collection is understood without it."""
    from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec

    names = {name for key, option in aws_argument_spec().items() for name in (key, *option.get("aliases", ()))}
    assert names == NAMES
