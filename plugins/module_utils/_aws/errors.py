# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS's errors mean for the user."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

HINTS = {
    "UnauthorizedOperation": "Give the credentials the permissions of the builder's policy.",
    "AccessDenied": "Give the credentials the permissions of the builder's policy.",
    "AuthFailure": "Check the credentials and that the Region is enabled for the account.",
    "InvalidClientTokenId": "Check the credentials.",
    "SignatureDoesNotMatch": "Check the credentials.",
    "ExpiredToken": "Renew the credentials and run again: the build goes on.",
    "RequestExpired": "Renew the credentials, check the clock, and run again: the build goes on.",
    "RequestLimitExceeded": "Too many calls in this account and Region: wait a little and run again.",
    "InstanceLimitExceeded": "Raise the quota, end other instances, or choose another instance type.",
    "VcpuLimitExceeded": "Raise the quota for this kind of instance, end others, or choose a smaller instance type.",
    "InsufficientInstanceCapacity": "Choose another instance type or more subnets, or run again later.",
}


class AwsError(PetalError):
    """A call that AWS refused, or that did not reach it. ``code`` is AWS's; empty where there was no answer."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


def explain(doing: str, code: str, said: str) -> AwsError:
    """One error with what was being done, what AWS said, and what to do about it.

    :param doing: as in "launching the build host".
    :param said: AWS's message, or why it could not be reached.
    """
    text = " ".join(said.split()).rstrip(".")
    hint = HINTS.get(code, "")
    return AwsError(f"{doing}: {f'{code}: ' if code else ''}{text}.{f' {hint}' if hint else ''}", code)
