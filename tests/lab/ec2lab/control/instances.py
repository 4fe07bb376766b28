"""EC2 instances: states that take time and real hosts behind them."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceState, Reservation, StateReason
from moto.ec2.models.security_groups import SecurityGroup

from ec2lab.control.base import adopt
from ec2lab.control.images import System, system_of
from ec2lab.control.launch import mappings_of, spec_of
from ec2lab.control.volumes import VolumeEC2
from ec2lab.control.world import World
from ec2lab.data.host import Host
from ec2lab.data.network import Rule, filter_rules, is_ipv4

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
BY_USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
BY_ITSELF = ("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
BY_SPOT = ("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination")
BY_LAB = ("Server.InternalError", "Server.InternalError: Internal error on launch")


class LabInstance(Instance):
    """An instance with a host. ``power`` is held while it starts or stops."""

    host: Host | None = None
    system: System
    power: threading.Lock
    mute = False
    applied = ""

    @property
    def alive(self) -> bool:
        """Whether it is not terminated, nor about to be."""
        return self.state not in ("shutting-down", "terminated")

    def become(self, state: str, reason: tuple[str, str] | None = None) -> None:
        """Enter a state; the reason is EC2's code and message for having left the one before."""
        self._state = InstanceState(state, CODES[state])
        if reason:
            self._reason = f"{reason[1].partition(': ')[2]} ({datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC)"
            self.state_reason = StateReason(reason[1], reason[0])

    def groups(self) -> Iterable[SecurityGroup]:
        """Its security groups, as its first network interface has them."""
        return self.nics[0].group_set if self.nics else ()

    def teardown_defaults(self) -> None:
        """Release its volumes, and delete those that are to go with it."""
        backend = self.ec2_backend
        for mapping in list(self.block_device_mapping.values()):
            volume = backend.volumes.get(mapping.volume_id)
            if volume is not None and volume.attachment is not None:
                backend.release(volume.attachment)
                if mapping.delete_on_termination:
                    backend.delete_volume(volume.id)


# moto's serializer goes by the names of classes.
LabInstance.__name__ = "Instance"


class InstanceEC2(VolumeEC2):
    """Instance calls of the EC2 backend."""

    def lab_instances(self) -> list[LabInstance]:
        """All instances of this account and Region, the terminated ones included."""
        return [
            one
            for reservation in self.reservations.values()
            for one in reservation.instances
            if isinstance(one, LabInstance)
        ]

    def image_of(self, image_id: str) -> Any:
        """An image that this account may launch; None where there is none."""
        return self.amis.get(image_id)

    def create_subnet(self, vpc_id: str, *args: Any, **kwargs: Any) -> Any:
        """Only subnets of the default VPC are default subnets; moto takes the first of each zone for one."""
        subnet = super().create_subnet(vpc_id, *args, **kwargs)
        if not self.vpcs[vpc_id].is_default:
            subnet.default_for_az, subnet.map_public_ip_on_launch = False, False
        return subnet

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **kwargs: Any
    ) -> Reservation:
        """Launch, if there is capacity; each instance is pending until its host has booted."""
        spot = "spot" in (kwargs.get("lifecycle"), kwargs.get("instance_market_options"))
        self.check_launch(image_id, count, spot=spot, instance_type=str(kwargs.get("instance_type")))
        if not kwargs.get("subnet_id") and not kwargs.get("nics"):
            kwargs["subnet_id"] = self.default_subnet(kwargs.get("placement"))
        image = self.image_of(image_id)
        kwargs["block_device_mappings"] = mappings_of(image, kwargs.get("block_device_mappings") or [])
        reservation = super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
        for instance in reservation.instances:
            adopt(instance, LabInstance)
            assert isinstance(instance, LabInstance)
            instance.power = threading.Lock()
            instance.host = None
            instance.system = image.system or system_of(image.owner_id, image.name)
            instance.lifecycle = "spot" if spot else None
            for nic in instance.nics.values():
                if not kwargs.get("nics"):
                    nic.delete_on_termination = True
            # moto answers for the instance from here, and for its interface from there.
            instance.security_groups = list(instance.groups())
            instance.mute = bool(
                self.world.faults.take(
                    "no-ssh", account=self.account_id, instance_type=instance.instance_type, spot=spot
                )
            )
            instance.become("pending")
            self.start_host(instance)
        return reservation

    def check_launch(self, image_id: str, count: int, *, spot: bool, instance_type: str) -> None:
        """What AWS checks before it launches. Raises EC2's errors."""
        image = self.image_of(image_id)
        if image is None:
            raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if instance_type not in INSTANCE_TYPES:
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
        architectures = INSTANCE_TYPES[instance_type].get("ProcessorInfo", {}).get("SupportedArchitectures", [])
        if architectures and image.architecture not in architectures:
            raise EC2ClientError(
                "InvalidParameterValue",
                f"The architecture '{','.join(architectures)}' of the specified instance type does not match "
                f"the architecture '{image.architecture}' of the specified AMI.",
            )
        if self.world.faults.take("capacity", account=self.account_id, instance_type=instance_type, spot=spot):
            what = f"Spot capacity of {instance_type}" if spot else f"{instance_type} capacity"
            raise EC2ClientError(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {what} in the Availability Zone you requested.",
            )
        alive = sum(one.alive for one in everywhere())
        if alive + count > self.world.settings.max_instances:
            raise EC2ClientError(
                "InstanceLimitExceeded",
                f"You have requested more instances ({alive + count}) than your current instance limit of "
                f"{self.world.settings.max_instances} allows.",
            )

    def default_subnet(self, zone: str | None) -> str:
        """The id of the default VPC's subnet in a zone. Raises MissingInput where there is none."""
        subnets = self.get_default_subnets()
        subnet = subnets.get(zone or f"{self.region_name}a")
        if subnet is None:
            raise EC2ClientError(
                "MissingInput", f"No default subnet for availability zone: '{zone or 'any'}'. Please specify a subnet."
            )
        return str(subnet.id)

    def start_host(self, instance: LabInstance) -> None:
        """Boot, in the background; the instance's states follow."""
        settings, world = self.world.settings, self.world

        def boot() -> None:
            with instance.power:
                time.sleep(settings.delays.instance_pending)
                with world.lock:
                    if instance.state != "pending":
                        return
                    directory = world.store / "instances" / instance.id
                    image = self.image_of(instance.image_id)
                    if image is not None:
                        world.disks.lay(image.ebs_snapshot.id, directory)
                    host = Host(directory, world.root, world.network, spec_of(instance, settings))
                    instance.host = host
                    instance.applied = self.rules_for(instance)
                try:
                    host.boot(instance.applied, lambda: self._ended(instance))
                    good = host.ready()
                except (OSError, RuntimeError) as error:
                    (world.store / "instances" / f"{instance.id}.error").write_text(str(error))
                    good = False
                with world.lock:
                    self._booted(instance, good=good)

        world.in_background(boot)

    def _booted(self, instance: LabInstance, *, good: bool) -> None:
        if instance.state != "pending":
            return
        if not good:
            self.stop_host(instance, "terminated", BY_LAB)
            return
        instance.become("running")
        instance._reason, instance.state_reason = "", StateReason()
        for mapping in list(instance.block_device_mapping.values()):
            attachment = self.volumes[mapping.volume_id].attachment
            if attachment is not None:
                attachment.status = "attaching"
                self.complete_attachment(attachment)
        refresh(self.world)
        fault = self.world.faults.take(
            "interrupt",
            account=self.account_id,
            instance_type=instance.instance_type,
            spot=instance.lifecycle == "spot",
        )
        if fault:
            after = fault.after or 0.0
            self.world.later(max(0.0, after - fault.notice), lambda: self._notice(instance, fault.notice))
            self.world.later(after, lambda: self.interrupted(instance))

    def _notice(self, instance: LabInstance, seconds: float) -> None:
        if instance.host is not None and instance.state == "running":
            at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
            instance.host.spec.metadata.extra["spot/instance-action"] = (
                f'{{"action": "terminate", "time": "{at:%Y-%m-%dT%H:%M:%SZ}"}}'
            )

    def interrupted(self, instance: LabInstance) -> None:
        """AWS takes a host back."""
        if instance.alive:
            for request in self.spot_instance_requests.values():
                if request.instance is instance:
                    request.state, request._status_code = "closed", "instance-terminated-no-capacity"
            self.stop_host(instance, "terminated", BY_SPOT)

    def _ended(self, instance: LabInstance) -> None:
        with self.world.lock:
            if instance.state == "running":
                final = (
                    "terminated"
                    if instance.instance_initiated_shutdown_behavior == "terminate" or instance.lifecycle == "spot"
                    else "stopped"
                )
                self.stop_host(instance, final, BY_ITSELF)

    def stop_host(self, instance: LabInstance, final: str, reason: tuple[str, str]) -> None:
        """Begin to stop or terminate; the end comes when the host is really gone."""
        instance.become("shutting-down" if final == "terminated" else "stopping", reason)

        def stop() -> None:
            time.sleep(self.world.settings.delays.instance_stopping)
            with instance.power:
                host = instance.host
                if host is not None:
                    host.kill()
                with self.world.lock:
                    self._stopped(instance, final, reason)
                if host is not None and final == "terminated":
                    host.wipe()

        self.world.in_background(stop)

    def _stopped(self, instance: LabInstance, final: str, reason: tuple[str, str]) -> None:
        for volume_id in self.world.disks.attached_to(instance.host) if instance.host else ():
            self.world.disks.detach(volume_id, force=True)
        if final == "terminated":
            Instance.terminate(instance)
        else:
            for nic in instance.nics.values():
                nic.stop()
        instance.become(final, reason)
        refresh(self.world)
        if final == "terminated":
            fault = self.world.faults.take("forgotten", account=self.account_id, instance_type=instance.instance_type)
            seconds = self.world.settings.delays.instance_terminated if fault is None else fault.after or 0.0
            self.world.later(seconds, lambda: self._forget(instance))

    def _forget(self, instance: LabInstance) -> None:
        """It is in no list any more; what else speaks of it goes on doing so."""
        for reservation in list(self.reservations.values()):
            if instance in reservation.instances:
                reservation.instances.remove(instance)
                if not reservation.instances:
                    del self.reservations[reservation.id]

    def start_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Stopped instances become pending, then running with another public address."""
        started: list[tuple[Instance, InstanceState]] = []
        for instance in self._by_id(instance_ids):
            if instance.state not in ("stopped", "running", "pending"):
                raise EC2ClientError(
                    "IncorrectInstanceState",
                    f"The instance '{instance.id}' is not in a state from which it can be started.",
                )
            previous = copy.copy(instance._state)
            if instance.state == "stopped":
                for nic in instance.nics.values():
                    nic.start()
                instance.become("pending")
                self.start_host(instance)
            started.append((instance, previous))
        return started

    def stop_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Running instances become stopping, then stopped; their disks stay."""
        return self._end(instance_ids, "stopped")

    def terminate_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Instances become shutting-down, then terminated; volumes go with them or stay, as asked for at the launch."""
        return self._end(instance_ids, "terminated")

    def _end(self, instance_ids: list[str], final: str) -> list[tuple[Instance, InstanceState]]:
        ended: list[tuple[Instance, InstanceState]] = []
        for instance in self._by_id(instance_ids):
            if final == "terminated" and instance.disable_api_termination in (True, "true"):
                raise EC2ClientError(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be terminated. "
                    "Modify its 'disableApiTermination' instance attribute and try again.",
                )
            if final == "stopped" and instance.lifecycle == "spot":
                raise EC2ClientError(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time "
                    "Spot Instance request.",
                )
            previous = copy.copy(instance._state)
            if instance.alive and not (final == "stopped" and instance.state in ("stopping", "stopped")):
                self.stop_host(instance, final, BY_USER)
            ended.append((instance, previous))
        return ended

    def reboot_instances(self, instance_ids: list[str]) -> list[Instance]:
        """Everything in the instance ends and it boots again; the API shows nothing of it."""
        instances = self._by_id(instance_ids)
        for instance in instances:
            if instance.host is None or instance.state != "running":
                raise EC2ClientError("IncorrectInstanceState", f"The instance '{instance.id}' is not running.")
            host = instance.host
            instance.become("pending")
            host.kill()
            for volume_id in self.world.disks.attached_to(host):
                self.world.disks.detach(volume_id, force=True)
            self.start_host(instance)
        return list(instances)

    def _by_id(self, instance_ids: list[str]) -> list[LabInstance]:
        return [one for one in self.get_multi_instances_by_id(instance_ids) if isinstance(one, LabInstance)]

    def delete_security_group(self, *args: Any, **kwargs: Any) -> Any:
        """Refused while an instance uses it. Raises DependencyViolation."""
        wanted = kwargs.get("group_id") or (args[1] if len(args) > 1 else None)
        if any(
            group.id == wanted
            for instance in self.lab_instances()
            if instance.state != "terminated"
            for group in instance.groups()
        ):
            raise EC2ClientError("DependencyViolation", f"resource {wanted} has a dependent object")
        return super().delete_security_group(*args, **kwargs)

    def modify_instance_security_groups(self, instance_id: str, new_group_id_list: list[str]) -> Instance:
        """Other groups for an instance, and for its first interface, which is what counts."""
        instance = super().modify_instance_security_groups(instance_id, new_group_id_list)
        if instance.nics:
            instance.nics[0]._group_set = list(instance.security_groups)
        return instance

    def rules_for(self, instance: LabInstance) -> str:
        """Its security groups as packet filter rules."""
        sides: tuple[list[Rule], list[Rule]] = ([], [])
        for group in instance.groups():
            for side, rules in zip(sides, (group.ingress_rules, group.egress_rules)):
                for rule in rules:
                    cidrs = [cidr for cidr in [rule.cidr_ipv4] if cidr and is_ipv4(cidr)]
                    if source := (rule.source_group or {}).get("GroupId"):
                        cidrs += [
                            f"{address}/32"
                            for member in self.lab_instances()
                            if member.alive and any(one.id == source for one in member.groups())
                            for address in (member.private_ip, member.public_ip)
                            if address
                        ]
                    side.append(Rule(str(rule.ip_protocol), rule.from_port, rule.to_port, tuple(cidrs)))
        return filter_rules(*sides, mute=instance.mute)


def everywhere() -> list[LabInstance]:
    """The instances of all accounts and Regions."""
    backends = [backend for regions in list(ec2_backends.values()) for backend in list(regions.values())]
    return [one for backend in backends if isinstance(backend, InstanceEC2) for one in backend.lab_instances()]


def refresh(world: World) -> None:
    """Bring the packet filters of all running instances up to date with their security groups."""
    for instance in everywhere():
        backend = instance.ec2_backend
        if (
            instance.state != "running"
            or instance.host is None
            or not instance.host.running
            or backend.world is not world
        ):
            continue
        rules = backend.rules_for(instance)
        if rules != instance.applied:
            instance.host.filter(rules)
            instance.applied = rules
