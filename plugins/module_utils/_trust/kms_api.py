# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A signing key that never leaves AWS KMS; only who may call kms:Sign signs with it."""

from __future__ import annotations

import functools
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call
from ansible_collections.petal.hpc.plugins.module_utils._trust import sshsig

try:
    from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
    from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
except ImportError:
    # Whoever names a key in KMS is told so by the module: see _aws/module/api.py.
    AWSErrorHandler = AWSRetry = None

ALGORITHM = "ECDSA_SHA_256"


class KmsKey:
    """A key of kind ECC_NIST_P256 for SIGN_VERIFY.

    :param module: AnsibleAWSModule; its region and credentials are used.
    :param key_id: id, ARN or alias.
    """

    def __init__(self, module: Any, key_id: str) -> None:
        self._id = key_id
        self._client = module.client("kms", retry_decorator=AWSRetry.jittered_backoff())

    @functools.cached_property
    def _key(self) -> bytes:
        doing = f"reading the public key of {self._id}"
        found = call(AWSErrorHandler, doing, self._client.get_public_key, aws_retry=True, KeyId=self._id)
        return sshsig.public_key(found["PublicKey"])

    @property
    def fingerprint(self) -> str:
        """As sites name it. Raises AwsError, and TrustError for another kind of key."""
        return sshsig.fingerprint(self._key)

    def sign(self, data: bytes, namespace: str) -> str:
        """A signature over bytes, in its armour. Raises AwsError and TrustError."""
        asked = {"KeyId": self._id, "MessageType": "RAW", "SigningAlgorithm": ALGORITHM}
        # First, for another kind of key is said better here than by KMS.
        key, message = self._key, sshsig.to_sign(data, namespace)
        doing = f"signing with the key {self._id}"
        found = call(AWSErrorHandler, doing, self._client.sign, aws_retry=True, Message=message, **asked)
        return sshsig.armoured(key, namespace, found["Signature"])
