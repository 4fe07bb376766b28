# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSH keys of a host, out of its console, into a known_hosts file on the controller."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import EC2InstanceErrorHandler, describe_instances
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call
from ansible_collections.petal.hpc.plugins.module_utils._aws.console.host_keys import (
    HostKey,
    keys_known,
    keys_on,
    with_host,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._aws.launch import LIVE, instances_of, state_of
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained

# Seconds between two looks at a console.
DELAY = 5.0
# Only Nitro instances show what is on the console now; of others AWS has what was there some minutes ago.
NOT_NITRO = ("UnsupportedOperation", "InvalidParameterCombination")


class HostKeys:
    """The keys of hosts of an account in a Region.

    :param client: EC2's.
    :param host: the controller, where the known_hosts file is.
    :param sleep: waits between two looks; a test gives its own, as for ``clock``.
    """

    def __init__(
        self,
        client: Any,
        host: Host,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._host = host
        self._sleep = sleep
        self._clock = clock
        self._latest = True

    def present(self, instance_id: str, known_hosts: Path, timeout: float, check: bool = False) -> dict[str, Any]:
        """The keys of a host, by its id in the known_hosts file. AWS is asked only where that has none of it.

        Raises AwsError where the console does not show them in time, PetalError where they cannot be written.
        """
        with explained(f"reading {known_hosts}"):
            text = known_hosts.read_text(encoding="utf-8", errors="replace") if known_hosts.is_file() else ""
        known = keys_known(text, instance_id)
        if known or check:
            return self._answer(known, changed=not known)
        keys = self._ask(instance_id, known_hosts, timeout)
        with explained(f"writing {known_hosts}"):
            self._host.make_directory(known_hosts.parent, 0o700)
            self._host.write(known_hosts, with_host(text, instance_id, keys), mode=0o600)
        return self._answer(keys, changed=True)

    def _ask(self, instance_id: str, known_hosts: Path, timeout: float) -> list[HostKey]:
        end = self._clock() + timeout
        while not (keys := keys_on(self._console(instance_id))):
            self._check_lives(instance_id)
            if self._clock() >= end:
                raise AwsError(
                    f"the console of {instance_id} showed no SSH host keys within {timeout:g} s, so nobody can tell "
                    "that host from another one. Expected the block that cloud-init prints (BEGIN SSH HOST KEY KEYS). "
                    "Reach it through Session Manager (build_connection=ssm), write its keys as `ID TYPE KEY` into "
                    f"{known_hosts}, or take them as they are first seen (host_keys=first_contact)."
                )
            self._sleep(DELAY)
        return keys

    def _console(self, instance_id: str) -> str:
        """What AWS has of the console by now."""
        doing = f"reading the console of {instance_id}"
        if self._latest:
            try:
                return self._output(doing, InstanceId=instance_id, Latest=True)
            except AwsError as error:
                if error.code not in NOT_NITRO:
                    raise
                self._latest = False
        return self._output(doing, InstanceId=instance_id)

    def _output(self, doing: str, **wanted: Any) -> str:
        # botocore decodes it. Nothing was printed yet where the key is missing.
        said = call(EC2InstanceErrorHandler, doing, self._client.get_console_output, aws_retry=True, **wanted)
        return str(said.get("Output") or "")

    def _check_lives(self, instance_id: str) -> None:
        with aws(f"looking at {instance_id}"):
            found = instances_of(describe_instances(self._client, InstanceIds=[instance_id]))
        state = state_of(found[0]) if found else "gone"
        if state not in LIVE:
            raise AwsError(f"{instance_id} is {state}, before its console showed any SSH host keys. Run again.")

    @staticmethod
    def _answer(keys: list[HostKey], *, changed: bool) -> dict[str, Any]:
        return {"changed": changed, "fingerprints": {key.kind: key.fingerprint for key in keys}}
