# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What KMS says of a key, where the credentials may ask."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import MISSING, Key

MANAGED_BY_AWS = "AWS"
NOT_FOUND = "NotFoundException"


def look_at_key(module: Any, region: str, key_id: str, *, policy: bool = False) -> Key:
    """A key as KMS tells of it; what was refused is in the answer, as the key may be used all the same.

    :param key_id: id, ARN, or alias. policy: ask for its key policy too.
    """
    client = module.client("kms", region=region, retry_decorator=AWSRetry.jittered_backoff())
    doing = f"looking at the key {key_id} in {region}"
    try:
        found = call(AWSErrorHandler, doing, client.describe_key, aws_retry=True, KeyId=key_id)["KeyMetadata"]
    except AwsError as error:
        if error.code == NOT_FOUND:
            return Key(key_id, state=MISSING)
        return Key(key_id, unknown=error.code or str(error))
    managed = found.get("KeyManager") == MANAGED_BY_AWS
    text = None
    if policy and not managed:
        try:
            asked = {"KeyId": str(found["Arn"]), "PolicyName": "default"}
            text = call(AWSErrorHandler, doing, client.get_key_policy, aws_retry=True, **asked)["Policy"]
        except AwsError:
            # Who may use a key need not be allowed to read its policy.
            text = None
    return Key(str(found["Arn"]), managed, str(found.get("KeyState", "")), text)
