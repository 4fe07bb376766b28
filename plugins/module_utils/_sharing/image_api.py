# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may launch the own account's images in one Region, and use their snapshots: judged, and changed where it differs.

Launching needs the image's permission alone; to copy it, as another account has to that keeps one, takes that of its
snapshots too. So both go together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import (
    describe_image_attribute,
    describe_snapshot_attribute,
    describe_snapshots,
    modify_image_attribute,
    modify_snapshot_attribute,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._image.api import Images
from ansible_collections.petal.hpc.plugins.module_utils._image.record import Image
from ansible_collections.petal.hpc.plugins.module_utils._sharing.accounts import check_accounts
from ansible_collections.petal.hpc.plugins.module_utils._sharing.api import listed_accounts
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.kms_api import look_at_key
from ansible_collections.petal.hpc.plugins.module_utils._sharing.plan import (
    LAUNCH,
    PERMISSION,
    PRESENT,
    Permissions,
    Request,
    calls,
    read,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.rules import Situation, judge
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import SharingError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, ERROR, PENDING


@dataclass(frozen=True)
class _Part:
    """An image, or one of its snapshots: who may use it, and who is to."""

    id: str
    before: Permissions
    wanted: Permissions

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The permissions of the calls that make the one the other."""
        return calls(self.before, self.wanted)


def own_images(module: Any, image_ids: Sequence[str]) -> list[Image]:
    """Images with software of the own account, in whatever state, as they are named. Raises SharingError, AwsError."""
    images = Images(module)
    found, refused = images.scan(Criteria(snapshot_ids=tuple(image_ids), states=(PENDING, COMPLETED, ERROR)))
    known = {one.snapshot_id: one for one in found if isinstance(one, Image)}
    reasons = {one.snapshot_id: one.reason for one in refused}
    for image_id in image_ids:
        if image_id not in known:
            why = reasons.get(image_id, "this account has no such image with software")
            raise SharingError(
                f"{image_id} in {images.region}: {why}. ansible-playbook petal.hpc.images -e region={images.region} "
                "lists those that there are"
            )
    return [known[image_id] for image_id in dict.fromkeys(image_ids)]


class ImageSharing:
    """Images of a module's account and Region.

    :param module: AnsibleAWSModule with the options of petal.hpc.software_image_share.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._client = ec2_client(module)

    def run(self) -> dict[str, Any]:
        """What the module does. Raises PetalError; where that is a SharingError, nothing was changed."""
        params = self._module.params
        listed = listed_accounts(params["accounts_file"])
        request = Request(
            state=params["state"],
            accounts=check_accounts(params["accounts"], "accounts"),
            purge=params["purge"],
            unaudited=params["unaudited"],
        )
        if request.state == PRESENT and not request.accounts and not listed:
            raise SharingError("nothing says with whom: give accounts, or accounts_file")
        images = own_images(self._module, params["image_ids"])
        # An organization's list names the own account too.
        others = [account for account in listed if account not in {one.owner for one in images}]
        request = replace(request, accounts=tuple(dict.fromkeys([*request.accounts, *others])))
        if request.gives:
            self._judge(images, request)
        plans = [(one, self._parts(one, request)) for one in images]
        if not self._module.check_mode:
            for _one, parts in plans:
                self._change(parts)
        return self._result(plans)

    def _judge(self, images: Sequence[Image], request: Request) -> None:
        against: list[str] = []
        for image in images:
            codes = self._asked(image.snapshot_id, "productCodes").get("ProductCodes") or []
            named = [str(code.get("ProductCodeId")) for code in codes]
            for key in self._keys(image):
                wrong, warnings = judge(Situation(image, request, key, named))
                against += wrong
                for warning in warnings:
                    self._module.warn(warning)
        if against:
            raise SharingError("; ".join(dict.fromkeys(against)))

    def _keys(self, image: Image) -> list[Key | None]:
        """What the image's snapshots are encrypted with, each key once; None of an image that is not."""
        if not image.encrypted:
            return [None]
        with aws(f"looking at the snapshots of {image.snapshot_id}"):
            found = describe_snapshots(self._client, SnapshotIds=list(image.disks)) or {}
        names = {str(one["KmsKeyId"]) for one in found.get("Snapshots", ()) if one.get("KmsKeyId")}
        if not names:
            return [Key("of the image", unknown="AWS does not name it")]
        return [look_at_key(self._module, str(image.region), name, policy=True) for name in sorted(names)]

    def _asked(self, some_id: str, attribute: str) -> Mapping[str, Any]:
        describe = describe_image_attribute if some_id.startswith("ami-") else describe_snapshot_attribute
        with aws(f"looking at who may use {some_id}"):
            found: Mapping[str, Any] = describe(self._client, some_id, attribute) or {}
        return found

    def _parts(self, image: Image, request: Request) -> list[_Part]:
        """The image first."""
        launch = read(self._asked(image.snapshot_id, LAUNCH).get("LaunchPermissions") or [])
        parts = [_Part(image.snapshot_id, launch, request.wanted(launch))]
        for disk in image.disks:
            before = read(self._asked(disk, PERMISSION).get("CreateVolumePermissions") or [])
            parts.append(_Part(disk, before, request.wanted(before)))
        return parts

    def _change(self, parts: Sequence[_Part]) -> None:
        # Given is the image last and taken first: nobody sees one whose snapshots are not theirs.
        for verb, ordered in (("Remove", parts), ("Add", list(reversed(parts)))):
            for part in ordered:
                for change in (one for one in part.changes if verb in one):
                    self._write(part.id, change)

    def _write(self, some_id: str, change: Mapping[str, Any]) -> None:
        with aws(f"changing who may use {some_id}"):
            if some_id.startswith("ami-"):
                modify_image_attribute(self._client, some_id, Attribute=LAUNCH, LaunchPermission=change)
            else:
                modify_snapshot_attribute(self._client, some_id, Attribute=PERMISSION, CreateVolumePermission=change)

    def _result(self, plans: Sequence[tuple[Image, Sequence[_Part]]]) -> dict[str, Any]:
        images = [
            {
                "image_id": image.snapshot_id,
                "snapshot_ids": list(image.disks),
                "changed": any(part.changes for part in parts),
                **parts[0].wanted.to_dict(),
            }
            for image, parts in plans
        ]
        parts = [part for _image, several in plans for part in several]
        return {
            "changed": any(one["changed"] for one in images),
            "images": images,
            "owner": plans[0][0].owner if plans else "",
            "region": self._module.region,
            "diff": {
                "before": {part.id: part.before.to_dict() for part in parts},
                "after": {part.id: part.wanted.to_dict() for part in parts},
            },
        }
