# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host of a build on AWS: found, launched once, or ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import (
    EC2InstanceErrorHandler,
    describe_images,
    describe_instances,
    describe_subnets,
    terminate_instances,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError, explain
from ansible_collections.petal.hpc.plugins.module_utils._aws.launch import (
    FAIL,
    LIVE,
    ON_DEMAND,
    SPENT,
    WITHDRAWN,
    Attempt,
    Launch,
    attempts,
    check_tags,
    choose,
    ended_because,
    filters,
    instances_of,
    meaning,
    parameters,
    record,
    state_of,
)

# Seconds between two looks of a waiter.
DELAY = 5
# How many client tokens of a build may be spent: each is of a host that has ended.
TOKENS = 20


class BuildInstances:
    """The hosts of an account in a Region.

    :param client: EC2's.
    :param quick: EC2's without botocore's own retries: EC2 says that it has no capacity with an HTTP 500, which
        botocore would ask again and again.
    :param timeout: seconds to wait for each state.
    """

    def __init__(self, client: Any, quick: Any, timeout: int) -> None:
        self._client = client
        self._quick = quick
        self._timeout = timeout
        self._tried: list[dict[str, Any]] = []

    def present(self, launch: Launch, check: bool = False) -> dict[str, Any]:
        """A running host: the one that there is, or a new one. Raises AwsError."""
        found = self._find(filters(launch.name, launch.tags, build=False))
        choice = choose(found, launch)
        kept = choice.keep
        changed = kept is None or bool(choice.replace)
        if check:
            return {"changed": changed, "instance": self._answer(kept or {}, kept is None), "replaced": choice.replace}
        if choice.replace:
            self._terminate(list(choice.replace))
        if kept is None:
            # The volume hangs on them until they have ended.
            self._wait("instance_terminated", [*choice.replace, *choice.ending])
            running = self._launch(launch, sorted({*choice.gone, *choice.replace}))
        else:
            running = self._running(kept)
            if state_of(running) not in LIVE:
                raise self._lost(running)
        return {"changed": changed, "instance": self._answer(running, kept is None), "replaced": choice.replace}

    def absent(self, name: str, tags: Mapping[str, str], check: bool = False) -> dict[str, Any]:
        """End the hosts with this name and the fingerprint and build id of the tags; wait until they have ended."""
        found = self._find(filters(name, check_tags(tags, whole=False), build=True))
        ids = [str(one["InstanceId"]) for one in found if state_of(one) not in ("terminated", "shutting-down")]
        ending = [str(one["InstanceId"]) for one in found if state_of(one) == "shutting-down"]
        if not check:
            if ids:
                self._terminate(ids)
            self._wait("instance_terminated", [*ids, *ending])
        return {"changed": bool(ids), "instance": None, "replaced": dict.fromkeys(ids, "not wanted any more")}

    # Launching

    def _launch(self, launch: Launch, gone: list[str]) -> Mapping[str, Any]:
        launch = self._completed(launch)
        spot = launch.spot
        problem: AwsError | None = None
        for attempt in attempts(launch):
            if attempt.spot and not spot:
                continue
            try:
                instance = self._running(self._ask(launch, attempt, gone))
            except AwsError as error:
                what = meaning(error.code, attempt.spot)
                self._note(attempt, str(error))
                if what == FAIL:
                    raise
                spot, problem = spot and what != ON_DEMAND, error
                continue
            if state_of(instance) in LIVE:
                self._tried.append({"spot": attempt.spot, "subnet_id": attempt.subnet_id or None, "error": None})
                return instance
            problem = self._lost(instance)
            self._note(attempt, str(problem))
            if problem.code not in WITHDRAWN:
                raise problem
            gone = [*gone, str(instance["InstanceId"])]
        # The same in every subnet is said once.
        said = "; ".join(dict.fromkeys(str(one["error"]) for one in self._tried))
        raise AwsError(f"no host for the build was to be had. {said}", problem.code if problem else "")

    def _ask(self, launch: Launch, attempt: Attempt, gone: list[str]) -> Mapping[str, Any]:
        """One RunInstances; what it gives may have ended already, when its token was used before."""
        doing = f"launching {launch.instance_type} {'as Spot Instance' if attempt.spot else 'on demand'}"
        for number in range(TOKENS):
            try:
                instance = self._run(doing, parameters(launch, attempt, gone))
            except AwsError as error:
                if error.code != SPENT:
                    raise
                # Which one it was need not be known any more; the next token is the same for whoever asks.
                gone = [*gone, f"{SPENT}-{number}"]
                continue
            if state_of(instance) in LIVE:
                return instance
            gone = [*gone, str(instance["InstanceId"])]
        raise explain(doing, "", "EC2 gives hosts that have ended already")

    def _run(self, doing: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            made = call(EC2InstanceErrorHandler, doing, self._quick.run_instances, aws_retry=True, **wanted)
        except AwsError as error:
            if error.code:
                raise
            # Without an answer nobody knows whether it was launched. The token makes asking again harmless.
            made = call(EC2InstanceErrorHandler, doing, self._client.run_instances, aws_retry=True, **wanted)
        instance: Mapping[str, Any] = made["Instances"][0]
        return instance

    def _completed(self, launch: Launch) -> Launch:
        """With the root device of the image, and only the subnets in the zone of the volume."""
        if not launch.root_device:
            with aws(f"looking for the image {launch.image_id}"):
                images = describe_images(self._client, ImageIds=[launch.image_id])
            if not images:
                raise AwsError(f"the image {launch.image_id} is not in this Region, or not to be used by this account")
            launch = replace(launch, root_device=str(images[0]["RootDeviceName"]))
        if launch.availability_zone and launch.subnet_ids:
            with aws("looking for the subnets"):
                subnets = describe_subnets(self._client, SubnetIds=list(launch.subnet_ids))
            zones = {str(one["SubnetId"]): str(one["AvailabilityZone"]) for one in subnets}
            there = [one for one in launch.subnet_ids if zones.get(one) == launch.availability_zone]
            if not there:
                raise AwsError(
                    f"none of the subnets {', '.join(launch.subnet_ids)} is in {launch.availability_zone}, where the "
                    "volume of this build is. Add a subnet there, or delete the volume, and run again."
                )
            launch = replace(launch, subnet_ids=there)
        return launch

    def _note(self, attempt: Attempt, error: str) -> None:
        self._tried.append({"spot": attempt.spot, "subnet_id": attempt.subnet_id or None, "error": error})

    # Waiting

    def _find(self, wanted: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        with aws("looking for the host of the build"):
            return instances_of(describe_instances(self._client, Filters=list(wanted)))

    def _running(self, instance: Mapping[str, Any]) -> Mapping[str, Any]:
        """The instance when it runs, or when it has ended while it should have come up."""
        if state_of(instance) == "running":
            return instance
        instance_id = str(instance["InstanceId"])
        problem = self._wait("instance_running", [instance_id], tolerant=True)
        with aws(f"looking at {instance_id}"):
            found = instances_of(describe_instances(self._client, InstanceIds=[instance_id]))
        now = found[0] if found else instance
        if problem is not None and state_of(now) in LIVE and state_of(now) != "running":
            raise problem
        return now

    def _wait(self, state: str, ids: Sequence[str], *, tolerant: bool = False) -> AwsError | None:
        if not ids:
            return None
        doing = f"waiting {self._timeout} s until {', '.join(ids)} is {state.partition('_')[2]}"
        config = {"Delay": DELAY, "MaxAttempts": max(1, self._timeout // DELAY)}
        waiter = self._client.get_waiter(state)
        try:
            call(EC2InstanceErrorHandler, doing, waiter.wait, InstanceIds=list(ids), WaiterConfig=config)
        except AwsError as error:
            if state == "instance_terminated" and not self._left(ids):
                return None
            if not tolerant:
                raise
            return error
        return None

    def _left(self, ids: Sequence[str]) -> list[str]:
        """Those that have not ended. EC2 forgets in about an hour those that have."""
        found = self._find([{"Name": "instance-id", "Values": list(ids)}])
        return [str(one["InstanceId"]) for one in found if state_of(one) != "terminated"]

    def _terminate(self, ids: Sequence[str]) -> None:
        with aws(f"terminating {', '.join(ids)}"):
            terminate_instances(self._client, instance_ids=list(ids))

    # Answers

    def _lost(self, instance: Mapping[str, Any]) -> AwsError:
        code, said = ended_because(instance)
        where = f"the host {instance.get('InstanceId')} ended before it ran"
        return AwsError(f"{where}: {said.rstrip('.')}. Run again: the build goes on with a new one.", code)

    def _answer(self, instance: Mapping[str, Any], launched: bool) -> dict[str, Any]:
        return {**record(instance), "launched": launched, "reused": not launched, "attempts": self._tried}
