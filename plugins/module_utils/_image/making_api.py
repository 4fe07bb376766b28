# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one machine image of a build on AWS.

CreateImage takes no client token, but an account has one image of a name in a Region: asked again, AWS refuses, and
that answer tells that the first was heard. Tags come with the call, so that whoever goes on finds what was begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import (
    EC2ImageErrorHandler,
    delete_snapshot,
    deregister_image,
    describe_images,
)
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, call
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._aws.images.choice import RELEASE_TAG
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import (
    CLEANUP,
    COPIED_FROM,
    FINGERPRINT,
    from_aws,
    tag_filters,
    tag_specifications,
)
from ansible_collections.petal.hpc.plugins.module_utils._image import record
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.making.begun import FAIL, meaning

POLL = 1.0
#: How often AWS is asked for an image in vain.
ASKED = 8
TAKEN = "InvalidAMIName.Duplicate"
PENDING, AVAILABLE = "pending", "available"


@dataclass(frozen=True)
class BuildImageRequest:
    """The image of one build.

    name: for messages. image_name: by which there is one. tags, snapshot_tags: of the image, and of the snapshots that
    come with it. instance_id: None: only what was begun is followed. timeout: seconds until it is to be available.
    patience: seconds that AWS may take to show what it has made. poll: the most seconds between two looks.
    """

    fingerprint: str
    name: str
    image_name: str
    release: str
    tags: Mapping[str, str]
    snapshot_tags: Mapping[str, str]
    instance_id: str | None = None
    description: str = ""
    timeout: float = 14400
    patience: float = 300
    poll: float = 5


class BuildImage:
    """The image of a build in one Region.

    :param client: EC2's, with retries.
    :param quick: the same without any.
    """

    def __init__(
        self,
        client: Any,
        quick: Any,
        region: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._quick = quick
        self._region = region
        self._sleep = sleep
        self._clock = clock

    def found(self, wanted: BuildImageRequest) -> dict[str, Any]:
        """What a build of the fingerprint has begun and nobody has finished; what AWS gave up is deleted.

        Raises AwsError.
        """
        chosen, deleted = self._tidy(wanted)
        return {"changed": deleted, "image_id": chosen, "image": None}

    def present(self, wanted: BuildImageRequest) -> dict[str, Any]:
        """The image, available; once more where AWS could not finish the first. Raises AwsError.

        Without an instance only what was begun is followed.
        """
        for last in (False, True):
            chosen, _deleted = self._tidy(wanted)
            if not chosen:
                if wanted.instance_id is None:
                    raise AwsError(f"no image of {wanted.name} was begun, and there is no instance to make one of")
                chosen = self._begin(wanted)
            shown = self._follow(chosen, wanted)
            if shown.get("State") == AVAILABLE:
                return {"changed": True, "image_id": chosen, "image": self._listed_as(chosen, wanted)}
            self._delete(shown)
            if last or wanted.instance_id is None:
                break
        reason = shown.get("StateReason") or {}
        said = f" ({reason['Message']})" if reason.get("Message") else ""
        raise AwsError(
            f"AWS left the image {chosen} of {wanted.name} in state {shown.get('State')}{said}. With a key of your "
            "own, its policy must let this account use it."
        )

    def _begin(self, wanted: BuildImageRequest) -> str:
        """Ask for it until there is an id. However often that is: the name makes one image of all."""
        doing = f"making an image of {wanted.instance_id}"
        problem = AwsError(doing)
        for number in range(ASKED):
            try:
                made = call(
                    EC2ImageErrorHandler,
                    doing,
                    self._quick.create_image,
                    InstanceId=wanted.instance_id,
                    Name=wanted.image_name,
                    Description=wanted.description,
                    TagSpecifications=[
                        *tag_specifications(["image"], wanted.tags),
                        *tag_specifications(["snapshot"], wanted.snapshot_tags),
                    ],
                )
                return str(made["ImageId"])
            except AwsError as error:
                problem = error
                if error.code == TAKEN:
                    return self._named(wanted, error)
                if meaning(error.code) == FAIL:
                    raise
            self._sleep(min(POLL * 2**number, wanted.poll))
        raise problem

    def _named(self, wanted: BuildImageRequest, refused: AwsError) -> str:
        """The id of the image that has the name, which AWS may list later than it refuses another one."""
        began, poll = self._clock(), POLL
        while True:
            found = self._ask(f"looking for the image {wanted.image_name}", "name", wanted.image_name)
            if found:
                return str(found[0]["ImageId"])
            if self._clock() - began >= wanted.patience:
                raise refused
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    def _tidy(self, wanted: BuildImageRequest) -> tuple[str, bool]:
        """The id of what was begun, or an empty text, and whether something that AWS has given up was deleted."""
        begun = [one for one in self._of_builds(wanted) if CLEANUP in from_aws(one.get("Tags"))]
        good = [one for one in begun if one.get("State") in (PENDING, AVAILABLE)]
        for one in begun:
            if one not in good:
                self._delete(one)
        good.sort(key=lambda one: (one.get("State") != AVAILABLE, str(one.get("CreationDate")), str(one["ImageId"])))
        return str(good[0]["ImageId"]) if good else "", len(begun) > len(good)

    def _follow(self, image_id: str, wanted: BuildImageRequest) -> Mapping[str, Any]:
        """It, in the state that it ends in. Raises AwsError when it does not end, or is gone."""
        began, poll, seen = self._clock(), POLL, False
        while True:
            found = self._ask(f"looking for the image {image_id}", "image-id", image_id)
            seen = seen or bool(found)
            if found and found[0].get("State") != PENDING:
                return found[0]
            waited = self._clock() - began
            if not found and waited >= wanted.patience:
                what = "is not there any more" if seen else f"is not shown by AWS for {waited:.0f} s"
                raise AwsError(f"the image {image_id} {what}. Run again: the build goes on.")
            if waited >= wanted.timeout:
                raise AwsError(
                    f"the image {image_id} is still {PENDING} after {waited:.0f} s. Run again: it is waited for."
                )
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    def _listed_as(self, image_id: str, wanted: BuildImageRequest) -> dict[str, Any]:
        """Its record, as soon as it is in the list where others look for it: they would make it again."""
        began, poll = self._clock(), POLL
        while True:
            for one in self._of_builds(wanted):
                if one["ImageId"] == image_id:
                    return {**record.parse(one, self._region).to_dict(), "image_id": image_id}
            if self._clock() - began >= wanted.patience:
                raise AwsError(
                    f"the image {image_id} is available, and AWS does not list it for {wanted.patience:.0f} s. "
                    "Run again: the build goes on."
                )
            self._sleep(poll)
            poll = min(poll * 1.5, wanted.poll)

    def _of_builds(self, wanted: BuildImageRequest) -> list[Mapping[str, Any]]:
        """The images of the fingerprint that were made here; copies bear its tag too."""
        filters = tag_filters({FINGERPRINT: wanted.fingerprint, RELEASE_TAG: wanted.release})
        with aws(f"looking for the images of {wanted.name}"):
            found = describe_images(self._client, Owners=["self"], IncludeDeprecated=True, Filters=filters)
        return [one for one in found if COPIED_FROM not in from_aws(one.get("Tags"))]

    def _ask(self, doing: str, name: str, value: str) -> Sequence[Mapping[str, Any]]:
        """By a filter, so that what is not there is no error."""
        with aws(doing):
            found: Sequence[Mapping[str, Any]] = describe_images(
                self._client, Owners=["self"], IncludeDeprecated=True, Filters=[{"Name": name, "Values": [value]}]
            )
        return found

    def _delete(self, image: Mapping[str, Any]) -> None:
        delete(self._client, str(image["ImageId"]), record.disks_of(image))


def delete(client: Any, image_id: str, disks: Sequence[str]) -> None:
    """Take an image away with its snapshots, which EC2 would keep, and charge for. Raises AwsError."""
    with aws(f"deleting the image {image_id}"):
        # What is gone already is no error: killed between two of these, the rest is done by another run.
        deregister_image(client, image_id)
        for one in disks:
            delete_snapshot(client, one)
