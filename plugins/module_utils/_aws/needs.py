# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What asks for AWS, and what has to be installed for it; the provider local needs none of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLLECTION = "amazon.aws"
#: Of those who ask for AWS: what helps, wherever it turns out that something is missing.
INSTALL = (
    "Install on the controller: ansible-galaxy collection install amazon.aws; for the Python that the modules run "
    "with: python -m pip install boto3. The provider local needs neither, with stores in directories and keys in files."
)
#: Options of amazon.aws's modules, which those of AWS here have too.
OPTIONS: dict[str, dict[str, Any]] = {
    "debug_botocore_endpoint_logs": {"type": "bool", "default": False},
    "access_key": {"type": "str", "aliases": ["aws_access_key_id", "aws_access_key"], "no_log": False},
    "secret_key": {"type": "str", "aliases": ["aws_secret_access_key", "aws_secret_key"], "no_log": True},
    "session_token": {"type": "str", "aliases": ["aws_session_token"], "no_log": True},
    "profile": {"type": "str", "aliases": ["aws_profile"]},
    "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
    "validate_certs": {"type": "bool", "default": True},
    "aws_ca_bundle": {"type": "path"},
    "aws_config": {"type": "dict"},
    "region": {"type": "str", "aliases": ["aws_region"]},
}
#: Their names, aliases included.
NAMES = frozenset(OPTIONS).union(*(option.get("aliases", ()) for option in OPTIONS.values()))


def asked(arguments: Mapping[str, Any]) -> str:
    """Why a task needs AWS, as the subject of a sentence; empty where it needs none.

    :param arguments: of a module: the provider, a store of others, or a key that signs.
    """
    if arguments.get("provider") == "aws":
        return "the provider aws"
    if arguments.get("kms_key_id"):
        return f"the key {arguments['kms_key_id']} in KMS"
    sources = arguments.get("sources")
    # Whatever is no list of mappings the module itself refuses.
    offered = [one.get("store") for one in sources if isinstance(one, Mapping)] if isinstance(sources, list) else []
    for store in (arguments.get("remote"), *offered):
        if str(store or "").startswith("s3://"):
            return f"the store {store}"
    return ""


def lacking(why: str) -> str:
    """What to tell whoever asks for AWS where amazon.aws is not installed; why: as of asked()."""
    return f"{why} needs the collection {COLLECTION}, which is not installed. {INSTALL}"
