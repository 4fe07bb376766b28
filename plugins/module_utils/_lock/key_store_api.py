# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys of builds in Systems Manager's Parameter Store: sealed, brought to another controller, removed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import from_aws, to_aws
from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair import same_key
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store import DENIED, ROOT, lacking, parameter_name

# What each needs.
SEAL = f"ssm:PutParameter and ssm:AddTagsToResource on {ROOT}/*, and kms:Encrypt on a key of yours in KMS"
OPEN = f"ssm:GetParameter on {ROOT}/*, and kms:Decrypt on a key of yours in KMS"
REMOVE = f"ssm:DeleteParameter on {ROOT}/*"
LIST = f"ssm:DescribeParameters, and ssm:ListTagsForResource on {ROOT}/*"
GONE, THERE = "ParameterNotFound", "ParameterAlreadyExists"


def ssm_client(module: Any) -> Any:
    """Systems Manager's client of a module, with the retries of amazon.aws."""
    return module.client("ssm", retry_decorator=AWSRetry.jittered_backoff(delay=1))


class SealedKeys:
    """The private keys in the Parameter Store of an account in a Region.

    :param connect: gives Systems Manager's client; most builds need none.
    :param host: where keys are brought to.
    """

    def __init__(self, connect: Callable[[], Any], host: Host) -> None:
        self._connect = connect
        self._host = host
        self._made: Any = None

    def seal(self, build_id: str, key_file: Path, tags: Mapping[str, str], kms_key_id: str, *, new: bool) -> None:
        """Keep the private key of a build. Raises PetalError.

        :param new: whether it takes the place of an earlier one; if not, what is there is this very key.
        """
        with explained(f"reading the private key {key_file}"):
            secret = key_file.read_text(encoding="ascii")
        wanted: dict[str, Any] = {
            "Name": parameter_name(build_id),
            "Description": "Private key of a build host of petal.hpc; goes with its build",
            "Value": secret,
            "Type": "SecureString",
            "Tier": "Standard",
            "Tags": to_aws(tags),
        }
        if kms_key_id:
            wanted["KeyId"] = kms_key_id
        with self._doing(f"sealing the private key of the build {build_id}", SEAL):
            try:
                self._call("put_parameter", **wanted)
            except AwsError as error:
                if error.code != THERE:
                    raise
                if not new:
                    return
                # AWS takes no tags where a parameter is replaced.
                self.forget(build_id)
                self._call("put_parameter", **wanted)

    def bring(self, build_id: str, public_key: str, key_file: Path) -> bool:
        """Fetch the private key of a build into a file of ours; whether there is one that belongs to its host's key.

        Raises PetalError.
        """
        with self._doing(f"fetching the private key of the build {build_id}", OPEN):
            try:
                found = self._call("get_parameter", Name=parameter_name(build_id), WithDecryption=True)
            except AwsError as error:
                if error.code == GONE:
                    return False
                raise
        directory, draft = key_file.parent, key_file.with_name(f"{UNFINISHED}{key_file.name}-{os.getpid()}")
        with explained(f"keeping the private key {key_file}"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="utf-8") as stream:
                    stream.write(str(found["Parameter"]["Value"]))
                # Whoever can write there could hand us a key of his own.
                if not same_key(public_key_of(self._host, draft), public_key):
                    return False
                draft.replace(key_file)
            finally:
                draft.unlink(missing_ok=True)
        return True

    def forget(self, build_id: str) -> bool:
        """Remove the private key of a build; whether there was one. Raises PetalError."""
        with self._doing(f"removing the private key of the build {build_id}", REMOVE):
            try:
                self._call("delete_parameter", Name=parameter_name(build_id))
            except AwsError as error:
                if error.code == GONE:
                    return False
                raise
        return True

    def listed(self) -> list[dict[str, Any]]:
        """All that are kept, each with the name of its parameter as ``id``, and its tags. Raises PetalError."""
        found: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        with self._doing("looking for private keys of builds", LIST):
            while True:
                path = {"Key": "Path", "Option": "OneLevel", "Values": [ROOT]}
                page = self._call("describe_parameters", ParameterFilters=[path], **more)
                for one in page.get("Parameters", []):
                    said = self._call("list_tags_for_resource", ResourceType="Parameter", ResourceId=one["Name"])
                    found.append({"id": str(one["Name"]), "tags": from_aws(said.get("TagList"))})
                if not page.get("NextToken"):
                    return found
                more = {"NextToken": str(page["NextToken"])}

    def _call(self, method: str, **parameters: Any) -> Any:
        if self._made is None:
            self._made = self._connect()
        return call(AWSErrorHandler, method, getattr(self._made, method), aws_retry=True, **parameters)

    @contextlib.contextmanager
    def _doing(self, doing: str, permissions: str) -> Iterator[None]:
        """What AWS refuses inside, as one sentence with what is missing and how to do without."""
        try:
            yield
        except AwsError as error:
            _method, _colon, said = str(error).partition(": ")
            hint = f" {lacking(permissions)}" if error.code == DENIED else ""
            raise AwsError(f"{doing} in the Parameter Store: {said}{hint}", error.code) from None


def public_key_of(host: Host, private: Path | None) -> str:
    """The public part of a private key; empty when there is none that can be read."""
    if private is None or not private.is_file():
        return ""
    status, output, _error = host.call(["ssh-keygen", "-y", "-P", "", "-f", str(private)])
    return output.strip() if status == 0 else ""
