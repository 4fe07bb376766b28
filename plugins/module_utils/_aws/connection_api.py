# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls of AWS's API by amazon.aws: its retries, and its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import explain

try:
    from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
    from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
except ImportError:
    # Modules that take keys in KMS take this along, and without amazon.aws call nothing of it: _aws/module/api.py.
    AnsibleAWSError = AWSRetry = None


def ec2_client(module: Any, region: str | None = None, **config: Any) -> Any:
    """EC2's client of a module, with the retries of amazon.aws for calls that say ``aws_retry=True``.

    :param module: AnsibleAWSModule.
    :param region: another Region than the module's.
    :param config: of botocore.config.Config.
    """
    elsewhere = {} if region is None else {"region": region}
    return module.client("ec2", retry_decorator=AWSRetry.jittered_backoff(delay=1), config=config, **elsewhere)


@contextlib.contextmanager
def aws(doing: str) -> Iterator[None]:
    """Turn an error of amazon.aws inside into an AwsError that says what was being done."""
    try:
        yield
    except AnsibleAWSError as error:
        response = getattr(error.exception, "response", None) or {}
        found = response.get("Error", {})
        said = str(found.get("Message") or error.exception or error)
        raise explain(doing, str(found.get("Code") or ""), said) from error


def call(handler: Any, doing: str, method: Callable[..., Any], **parameters: Any) -> Any:
    """One call under a family of error handlers of amazon.aws.

    :param handler: as EC2InstanceErrorHandler. Raises AwsError.
    """
    with aws(doing):
        return handler.common_error_handler(doing)(method)(**parameters)
