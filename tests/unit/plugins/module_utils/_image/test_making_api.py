"""One image of one build, whatever AWS shows and when, and whatever becomes of its answers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._image.making_api import BuildImage, BuildImageRequest, delete

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
TAGS = {
    "petal:fingerprint": FINGERPRINT,
    "petal:build-id": "b1-ami",
    "petal:name": "bio",
    "petal:os": "alinux2023",
    "petal:cleanup": "pending",
    "parallelcluster:version": "3.16.1",
}
OF = {"petal:image-of": FINGERPRINT}
WANTED = BuildImageRequest(FINGERPRINT, "bio", "petal bio b1-ami", "3.16.1", TAGS, OF, "i-1")


def refusal(code: str, action: str = "CreateImage") -> ClientError:
    """An error as boto3 raises it."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, action)


class Cloud:
    """EC2 where new images are seen ``late`` seconds after they are made, on a clock of its own."""

    def __init__(self, late: float = 0.0, states: tuple[str, ...] = ()) -> None:
        self.now = 1_790_000_000.0
        self.late = late
        self.states = list(states)
        self.images: list[dict[str, Any]] = []
        self.gone: list[str] = []
        self.asked = 0
        #: What happens to CreateImage, one for each call: an exception before or after it was carried out.
        self.before: list[BaseException | None] = []
        self.after: list[BaseException | None] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def create_image(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        if self.before and (problem := self.before.pop(0)):
            raise problem
        if any(one["Name"] == asked["Name"] for one in self.images):
            raise refusal("InvalidAMIName.Duplicate")
        number = len(self.images) + len(self.gone)
        self.images.append(
            {
                "ImageId": f"ami-{number:017x}",
                "Name": asked["Name"],
                "OwnerId": "111122223333",
                "Architecture": "x86_64",
                "CreationDate": f"2026-11-26T01:{number:02}:00.000Z",
                "Description": asked["Description"],
                "Tags": asked["TagSpecifications"][0]["Tags"],
                "RootDeviceName": "/dev/xvda",
                "BlockDeviceMappings": [
                    {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 60, "SnapshotId": f"snap-{number:017x}"}}
                ],
                "at": self.now,
                "ends": self.states.pop(0) if self.states else "available",
            }
        )
        if self.after and (problem := self.after.pop(0)):
            raise problem
        return {"ImageId": self.images[-1]["ImageId"]}

    def can_paginate(self, _name: str) -> bool:
        return False

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        found = [one for one in self.images if one["at"] + self.late <= self.now]
        for wanted in asked["Filters"]:
            found = [one for one in found if self._has(one, wanted["Name"]) in wanted["Values"]]
        return {"Images": [{**one, "State": one["ends"] if one["at"] + 20 <= self.now else "pending"} for one in found]}

    @staticmethod
    def _has(image: dict[str, Any], name: str) -> str:
        if name.startswith("tag:"):
            return next((tag["Value"] for tag in image["Tags"] if tag["Key"] == name[4:]), "")
        return str(image[{"image-id": "ImageId", "name": "Name"}[name]])

    def deregister_image(self, **asked: Any) -> None:
        self.images = [one for one in self.images if one["ImageId"] != asked["ImageId"]]
        self.gone.append(asked["ImageId"])

    def delete_snapshot(self, **asked: Any) -> None:
        self.gone.append(asked["SnapshotId"])

    def making(self) -> BuildImage:
        return BuildImage(self, self, "us-east-1", sleep=self.sleep, clock=lambda: self.now)


def test_an_image_is_made_and_waited_for() -> None:
    cloud = Cloud(late=10)
    made = cloud.making().present(WANTED)
    assert made["image_id"] == made["image"]["image_id"] == "ami-00000000000000000"
    assert (made["image"]["state"], made["image"]["release"]) == ("completed", "3.16.1")
    assert cloud.asked == 1


@pytest.mark.parametrize("code", ["InternalError", "RequestLimitExceeded"])
def test_a_lost_answer_makes_no_second_image(code: str) -> None:
    cloud = Cloud(late=30)
    cloud.after = [refusal(code)]
    made = cloud.making().present(WANTED)
    assert made["image_id"] == "ami-00000000000000000"
    assert len(cloud.images) == 1


def test_who_goes_on_follows_what_was_begun() -> None:
    cloud = Cloud()
    first = cloud.making()
    cloud.after = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        first.present(WANTED)
    again = BuildImageRequest(FINGERPRINT, "bio", "petal bio b2-ami", "3.16.1", TAGS, {}, None)
    assert cloud.making().found(again)["image_id"] == "ami-00000000000000000"
    assert cloud.making().present(again)["image"]["state"] == "completed"
    assert cloud.asked == 1


def test_what_aws_gave_up_is_deleted_and_made_once_more() -> None:
    cloud = Cloud(states=("failed",))
    made = cloud.making().present(WANTED)
    assert made["image_id"] == "ami-00000000000000002"
    assert cloud.gone == ["ami-00000000000000000", "snap-00000000000000000"]
    hopeless = Cloud(states=("failed", "failed"))
    with pytest.raises(AwsError, match=r"left the image ami-.* of bio in state failed"):
        hopeless.making().present(WANTED)
    assert hopeless.images == []


def test_what_will_not_be_made_is_refused_at_once() -> None:
    cloud = Cloud()
    cloud.before = [refusal("UnauthorizedOperation")]
    with pytest.raises(AwsError, match="UnauthorizedOperation"):
        cloud.making().present(WANTED)
    assert cloud.asked == 1
    nothing = BuildImageRequest(FINGERPRINT, "bio", "n", "3.16.1", TAGS, {})
    with pytest.raises(AwsError, match="no image of bio was begun"):
        cloud.making().present(nothing)


def test_an_image_that_does_not_end_is_waited_for_by_the_next_run() -> None:
    cloud = Cloud(states=("pending",))
    with pytest.raises(AwsError, match=r"still pending after .* Run again"):
        cloud.making().present(BuildImageRequest(FINGERPRINT, "bio", "n", "3.16.1", TAGS, {}, "i-1", timeout=60))
    assert len(cloud.images) == 1


def test_an_image_goes_with_its_snapshots() -> None:
    cloud = Cloud()
    delete(cloud, "ami-1", ["snap-1", "snap-2"])
    assert cloud.gone == ["ami-1", "snap-1", "snap-2"]
