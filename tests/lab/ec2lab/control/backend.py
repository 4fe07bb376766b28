"""The EC2 backend and its answers, put into moto in place of its own."""

from __future__ import annotations

import base64
import copy
import types
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from moto.core.responses import ActionResult
from moto.core.serialize import return_if_not_empty
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends, spot_requests
from moto.ec2.models.amis import Ami
from moto.ec2.responses import EC2Response
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from ec2lab.control import stacks
from ec2lab.control.base import adopt
from ec2lab.control.images import BY_NAME, PAST, images
from ec2lab.control.instances import LabInstance
from ec2lab.control.machine_images import ImageEC2, LabImage
from ec2lab.control.world import World

# moto answers every error of a client with 400.
STATUS = {"InsufficientInstanceCapacity": 500}
# Describe calls whose answer moto cuts into pages itself.
PAGED_BY_MOTO = ("DescribeInstances",)


class LabSpotRequest(spot_requests.SpotInstanceRequest):
    """A request that stays open while there is no capacity, and whose launch specification is honoured in full."""

    def launch_instance(self) -> Any:
        """The instance, or None without capacity."""
        backend: LabEC2 = self.ec2_backend
        spec, extra = self.launch_specification, backend.spot_extra
        try:
            reservation = backend.run_instances(
                str(spec.image_id),
                1,
                self.user_data,
                [],
                instance_type=spec.instance_type,
                is_instance_type_default=False,
                subnet_id=spec.subnet_id or extra.get("subnet_id"),
                key_name=spec.key_name,
                security_group_ids=spec.groups,
                lifecycle="spot",
                associate_public_ip=None,
                placement=spec.availability_zone,
                region_name=backend.region_name,
                tags={},
                block_device_mappings=extra.get("mappings", []),
                client_token=self.id,
                instance_initiated_shutdown_behavior="terminate",
            )
        except EC2ClientError as error:
            if error.code != "InsufficientInstanceCapacity":
                raise
            return None
        return reservation.instances[0]

    @property
    def instance_id(self) -> Any:
        """The instance's id once there is one."""
        return self.instance.id if self.instance else None


LabSpotRequest.__name__ = "SpotInstanceRequest"


class LabEC2(ImageEC2):
    """EC2 of one account and Region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """moto's start, with the lab's images."""
        self.tokens: dict[tuple[str, str], tuple[Any, Any]] = {}
        self.spot_extra: dict[str, Any] = {}
        super().__init__(region_name, account_id)
        self.loading = False

    @property
    def _url_module(self) -> Any:
        return types.SimpleNamespace(
            url_bases=[r"https?://ec2\.(.+)\.amazonaws\.com(|\.cn)"], url_paths={"{0}/": LabResponse.dispatch}
        )

    def _load_amis(self) -> None:
        for image in images():
            ami = Ami(
                self,
                image.id_in(self.region_name),
                name=image.name,
                description=image.name,
                owner_id=image.owner,
                owner_alias=image.alias,
                public=True,
                virtualization_type="hvm",
                architecture=image.architecture,
                creation_date=image.created,
                hypervisor="xen",
                image_location=f"{image.alias or image.owner}/{image.name}",
                root_device_type="ebs",
                root_device_name=image.system.root_device,
            )
            adopt(ami, LabImage)
            assert isinstance(ami, LabImage)
            ami.gib, ami.system = image.gib, image.system
            if image.deprecated:
                ami.deprecation_time = f"{image.deprecated:%Y-%m-%dT%H:%M:%S.000Z}"
            self.amis[ami.id] = ami

    def request_spot_instances(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Requests that are active, or open where there is no capacity."""
        requests = super().request_spot_instances(*args, **kwargs)
        for request in requests:
            if request.instance is None:
                request.state, request._status_code = "open", "capacity-not-available"
                request.status_message = "There is no Spot capacity available that matches your request."
        return requests

    def cancel_spot_instance_requests(self, request_ids: list[str]) -> list[Any]:
        """Cancelled requests stay to be seen; their instances live on."""
        found = [self.spot_instance_requests[one] for one in request_ids if one in self.spot_instance_requests]
        for request in found:
            request.state, request._status_code = (
                "cancelled",
                "instance-terminated-by-user" if request.instance else "canceled-before-fulfillment",
            )
        return found


class LabResponse(EC2Response):
    """Answers of EC2: once for each client token, in pages, with the parameters that moto overlooks."""

    ec2_backend: LabEC2

    def __init__(self) -> None:
        """As moto, and snapshots without tags have no empty list of them."""
        super().__init__()
        own = {"Snapshots.Snapshot.Tags": return_if_not_empty}
        self.RESPONSE_KEY_PATH_TO_TRANSFORMER = {**self.RESPONSE_KEY_PATH_TO_TRANSFORMER, **own}

    def serialized(self, action_result: ActionResult) -> Any:
        """Pages, and the HTTP status of errors that are not the client's."""
        action, result = self._get_action(), action_result.result
        if action.startswith("Describe") and action not in PAGED_BY_MOTO and isinstance(result, dict):
            action_result = self._page(result)
        status, headers, body = super().serialized(action_result)
        return (
            STATUS.get(getattr(result, "code", ""), status) if isinstance(result, Exception) else status,
            headers,
            body,
        )

    def _page(self, result: dict[str, Any]) -> ActionResult:
        limit, token = self._get_param("MaxResults"), self._get_param("NextToken")
        name = next((name for name, value in result.items() if isinstance(value, list)), None)
        if name is None or (limit is None and not token):
            return ActionResult(result)
        start = int(base64.b64decode(token).decode().rpartition(":")[2]) if token else 0
        end = start + int(limit or 1000)
        page = {**result, name: result[name][start:end]}
        if end < len(result[name]):
            page["NextToken"] = base64.b64encode(f"page:{end}".encode()).decode()
        return ActionResult(page)

    def _once(self, make: Callable[[], ActionResult], dropped: tuple[str, ...] = ()) -> ActionResult:
        """The same result for the same client token; other parameters with it are an error."""
        token = self._get_param("ClientToken")
        if not token:
            return make()
        asked = copy.deepcopy(
            {key: value for key, value in dict(self.params).items() if key not in ("ClientToken", "DryRun", *dropped)}
        )
        key = (self._get_action(), token)
        if key in self.ec2_backend.tokens:
            before, result = self.ec2_backend.tokens[key]
            if before != asked:
                raise EC2ClientError(
                    "IdempotentParameterMismatch",
                    f"Arguments on this idempotent request are inconsistent with those of previous ones: {token}",
                )
            return ActionResult(result)
        made = make()
        self.ec2_backend.tokens[key] = (asked, made.result)
        return made

    def run_instances(self) -> ActionResult:
        """As moto, once for each client token; one whose instance has ended is spent."""
        token = self._get_param("ClientToken")
        before = self.ec2_backend.tokens.get(("RunInstances", token))
        if before is not None and all(one.state == "terminated" for one in before[1].instances):
            raise EC2ClientError(
                "IdempotentInstanceTerminated",
                f"The client token {token} belongs to an instance that has been terminated.",
            )
        return self._once(super().run_instances)

    def create_volume(self) -> ActionResult:
        """As moto, once for each client token, with the initialisation rate checked."""
        rate = self._get_param("VolumeInitializationRate")
        if rate is not None and not (100 <= int(rate) <= 300 and self._get_param("SnapshotId")):
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Invalid value '{rate}' for VolumeInitializationRate: 100 to 300 MiB/s, and only with a snapshot",
            )
        return self._once(super().create_volume)

    def create_key_pair(self) -> ActionResult:
        """Of the kind that AWS takes when none is named."""
        self.params.setdefault("KeyType", "rsa")
        return super().create_key_pair()

    def delete_key_pair(self) -> ActionResult:
        """By name or by id; an id that is not there is an error, a name is not."""
        key_id = self._get_param("KeyPairId")
        if key_id:
            pairs = self.ec2_backend.key_pairs.values()
            name = next((one.key_name for one in pairs if one.id == key_id), None)
            if name is None:
                raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key_id}' does not exist")
            self.params["KeyName"] = name
        return super().delete_key_pair()

    def copy_snapshot(self) -> ActionResult:
        """As moto, and encrypted where asked for."""
        self.error_on_dryrun()
        snapshot = self.ec2_backend.copy_snapshot(
            self._get_param("SourceSnapshotId"),
            self._get_param("SourceRegion"),
            self._get_param("Description"),
            self._get_param("KmsKeyId"),
            self._get_bool_param("Encrypted", False),
        )
        snapshot.add_tags(self._parse_tag_specification().get("snapshot", {}))
        return ActionResult({"SnapshotId": snapshot.id, "Tags": snapshot.tag_set})

    def describe_snapshots(self) -> ActionResult:
        """Owners and permissions honoured."""
        ids = self._get_param("SnapshotIds", [])
        if ids and self._get_param("MaxResults"):
            raise EC2ClientError(
                "InvalidParameterCombination", "The parameter snapshotSet cannot be used with the parameter maxResults"
            )
        found = self.ec2_backend.describe_snapshots(
            ids,
            self._filters_from_querystring(),
            self._get_param("OwnerIds", []),
            self._get_param("RestorableByUserIds", []),
        )
        return ActionResult({"Snapshots": found})

    def describe_snapshot_attribute(self) -> ActionResult:
        """The one that is asked for; no snapshot here has product codes."""
        if self._get_param("Attribute") == "productCodes":
            snapshot = self.ec2_backend.get_snapshot(self._get_param("SnapshotId"))
            return ActionResult({"SnapshotId": snapshot.id, "ProductCodes": []})
        return super().describe_snapshot_attribute()

    def modify_snapshot_attribute(self) -> ActionResult:
        """Both ways to say it: user ids and groups, or CreateVolumePermission; one direction at a time."""
        permission = self._get_param("CreateVolumePermission") or {}
        if permission.get("Add") and permission.get("Remove"):
            raise EC2ClientError("InvalidParameterCombination", "You cannot add and remove in a single operation")
        for verb, operation in (("Add", "add"), ("Remove", "remove")):
            if entries := permission.get(verb):
                self.params["OperationType"] = operation
                self.params["UserIds"] = [one["UserId"] for one in entries if "UserId" in one]
                self.params["GroupNames"] = [one["Group"] for one in entries if "Group" in one]
                answer = super().modify_snapshot_attribute()
        return answer if permission else super().modify_snapshot_attribute()

    def detach_volume(self) -> ActionResult:
        """With Force."""
        self.error_on_dryrun()
        attachment = self.ec2_backend.detach_volume(
            self._get_param("VolumeId"),
            self._get_param("InstanceId"),
            self._get_param("Device"),
            force=self._get_bool_param("Force", False),
        )
        return ActionResult(
            {
                "VolumeId": attachment.volume_id,
                "InstanceId": attachment.instance_id,
                "Device": attachment.device,
                "State": "detaching",
                "AttachTime": attachment.attach_time,
            }
        )

    def describe_volume_status(self) -> Any:
        """Every volume is well."""
        volumes = self.ec2_backend.describe_volumes(self._get_param("VolumeIds", []), self._filters_from_querystring())
        good = {"Status": "ok", "Details": [{"Name": "io-enabled", "Status": "passed"}]}
        return ActionResult(
            {
                "VolumeStatuses": [
                    {
                        "VolumeId": one.id,
                        "AvailabilityZone": one.availability_zone,
                        "VolumeStatus": good,
                        "Actions": [],
                        "Events": [],
                    }
                    for one in volumes
                ]
            }
        )

    def describe_images(self) -> ActionResult:
        """Without the deprecated ones, unless asked for by id or in so many words."""
        result: Any = super().describe_images().result
        if not self._get_param("ImageIds", []) and not self._get_bool_param("IncludeDeprecated", False):
            result = {"Images": [one for one in result["Images"] if not deprecated(one)]}
        return ActionResult(result)

    def create_image(self) -> ActionResult:
        """Of all disks, with tags for the image and for their snapshots."""
        self.error_on_dryrun()
        instance_id = self._get_param("InstanceId")
        instance = self.ec2_backend.get_instance(instance_id)
        if instance.state == "running" and not self._get_bool_param("NoReboot", False):
            raise EC2ClientError("Unsupported", "The lab makes no image with a reboot: stop the instance before")
        given = self._get_param("BlockDeviceMappings", [])
        image = self.ec2_backend.image_from(
            instance_id,
            self._get_param("Name"),
            self._get_param("Description") or "",
            self._tags_by_kind(),
            {one["DeviceName"] for one in given if one.get("NoDevice") is not None},
        )
        return ActionResult({"ImageId": image.id})

    def copy_image(self) -> ActionResult:
        """With its disks, and tags where they are given."""
        self.error_on_dryrun()
        image = self.ec2_backend.copied_image(
            self._get_param("SourceImageId"),
            self._get_param("SourceRegion"),
            self._get_param("Name"),
            self._get_param("Description") or "",
            kms_key_id=self._get_param("KmsKeyId"),
            encrypted=self._get_bool_param("Encrypted", False),
        )
        tags = self._tags_by_kind()
        image.add_tags(tags.get("image", {}))
        for one in (image.disks or {}).values():
            one.add_tags(tags.get("snapshot", {}))
        return ActionResult({"ImageId": image.id})

    def enable_image_deprecation(self) -> ActionResult:
        """From a time on, to the minute, which has not passed."""
        self.error_on_dryrun()
        at = datetime.fromisoformat(str(self._get_param("DeprecateAt")).replace("Z", "+00:00"))
        # moto may have read it already, as a time without a zone.
        at = at.replace(second=0, microsecond=0, tzinfo=at.tzinfo or timezone.utc)
        if at <= datetime.now(timezone.utc):
            raise EC2ClientError("InvalidParameterValue", "The DeprecateAt date and time must be in the future.")
        self.ec2_backend.own_image(self._get_param("ImageId")).deprecation_time = f"{at:%Y-%m-%dT%H:%M:%S.000Z}"
        return ActionResult({"Return": True})

    def disable_image_deprecation(self) -> ActionResult:
        """Never any more."""
        self.error_on_dryrun()
        self.ec2_backend.own_image(self._get_param("ImageId")).deprecation_time = None
        return ActionResult({"Return": True})

    def _tags_by_kind(self) -> dict[str, dict[str, str]]:
        given = self._get_param("TagSpecifications", [])
        return {one["ResourceType"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in given}

    def get_console_output(self) -> ActionResult:
        """What the instance printed; its host keys are in it, as cloud-init prints them."""
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        assert isinstance(instance, LabInstance)
        text = instance.host.console if instance.host else ""
        return ActionResult(
            {"InstanceId": instance.id, "Timestamp": utcnow(), "Output": Base64EncodedString.from_raw_string(text)}
        )

    def request_spot_instances(self) -> ActionResult:
        """As moto, with what it leaves out of the launch specification."""
        spec = self._get_param("LaunchSpecification") or {}
        nic: dict[str, Any] = (spec.get("NetworkInterfaces") or [{}])[0]
        groups = [*spec.get("SecurityGroups", []), *spec.get("SecurityGroupIds", []), *nic.get("Groups", [])]
        if groups:
            spec["SecurityGroups"] = groups
        self.ec2_backend.spot_extra = {
            "mappings": copy.deepcopy(spec.get("BlockDeviceMappings", [])),
            "subnet_id": nic.get("SubnetId"),
        }
        return self._once(super().request_spot_instances)

    def _parse_block_device_mapping(self) -> list[dict[str, Any]]:
        """As given: what is not said is the image's to decide, not false."""
        return copy.deepcopy(self._get_param("BlockDeviceMappings", []))

    def get_snapshot_block_public_access_state(self) -> ActionResult:
        """Of this account in this Region."""
        return ActionResult({"State": self.ec2_backend.block_public_access, "ManagedBy": "account"})

    def enable_snapshot_block_public_access(self) -> ActionResult:
        """block-all-sharing or block-new-sharing."""
        self.ec2_backend.block_public_access = self._get_param("State")
        return ActionResult({"State": self.ec2_backend.block_public_access})

    def disable_snapshot_block_public_access(self) -> ActionResult:
        """Back to unblocked."""
        self.ec2_backend.block_public_access = "unblocked"
        return ActionResult({"State": "unblocked"})


def deprecated(image: Ami) -> bool:
    """Whether an official image is not to be offered any more."""
    known = BY_NAME.get((image.owner_id, image.name or ""))
    return known is not None and known.deprecated is not None and known.deprecated <= PAST


def install(world: World) -> None:
    """Put the lab's EC2 into moto; must happen before its first request."""
    LabEC2.world = world
    backend: Any = ec2_backends
    backend.backend = LabEC2
    vars(spot_requests)["SpotInstanceRequest"] = LabSpotRequest
    # Permissions are not evaluated; moto takes a bucket's policy for more than it says, without its conditions.
    buckets: Any = FakeBucket
    buckets.get_permission = lambda *_: PermissionResult.NEUTRAL
    stacks.install(world)
    assert issubclass(LabEC2, EC2Backend)
