# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which machine image a build host is launched from: whose, named how, and the newest of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import from_aws
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import (
    ARCHITECTURES,
    canonical_architecture,
    canonical_os,
)

#: ParallelCluster's tag of what `pcluster build-image` makes, and what it compares before it makes a cluster.
RELEASE_TAG = "parallelcluster:version"
RELEASE = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){2}(?:[a-z][a-z0-9.]{0,16})?")
IMAGE_ID = re.compile(r"ami-([0-9a-f]{8}|[0-9a-f]{17})")
GIVE_ONE = "Give the image with -e ami_id=ami-…"

# Owners are accounts; `amazon` is AWS's own word for its accounts, in every partition.
AMAZON = "amazon"
# https://wiki.debian.org/Cloud/AmazonEC2Image and https://rockylinux.org/download
DEBIAN = "136693071363"
ROCKY = "792107900819"

_PCLUSTER = "aws-parallelcluster-*-{part}-{{arch}}-*"
_WORDS: Mapping[str, Mapping[str, str]] = {DEBIAN: {"x86_64": "amd64"}, ROCKY: {"arm64": "aarch64"}}


class ImageError(PetalError):
    """There is no image to launch, or not the one that was given."""


@dataclass(frozen=True)
class Official:
    """Where the images of an operating system come from.

    owner: account, or ``amazon``. pattern: of their names, with ``{arch}`` for the architecture in the owner's words.
    user: whom one logs in as. maker: for people.
    """

    owner: str
    pattern: str
    user: str
    maker: str

    def name_pattern(self, architecture: str, release: str = "") -> str:
        """The pattern of the names of an architecture's images, ``*`` for any text.

        :param release: of ParallelCluster, where its maker is meant to have made them of that one alone.
        """
        pattern = self.pattern.replace("parallelcluster-*", f"parallelcluster-{release}") if release else self.pattern
        return pattern.format(arch=_WORDS.get(self.owner, {}).get(architecture, architecture))


def _pcluster(part: str, user: str) -> Official:
    return Official(AMAZON, _PCLUSTER.format(part=part), user, "AWS ParallelCluster")


#: Parts of names: OS_TO_IMAGE_NAME_PART_MAP of ParallelCluster's constants.py. It publishes none for Rocky Linux
#: (PRIVATE_OSES there), whose own images serve as well: a volume needs the same system, not ParallelCluster's.
OFFICIAL: Mapping[str, Official] = {
    "alinux2023": _pcluster("amzn2023-hvm", "ec2-user"),
    "ubuntu2204": _pcluster("ubuntu-2204-lts-hvm", "ubuntu"),
    "ubuntu2404": _pcluster("ubuntu-2404-lts-hvm", "ubuntu"),
    "rhel8": _pcluster("rhel8-hvm", "ec2-user"),
    "rhel9": _pcluster("rhel9-hvm", "ec2-user"),
    "rocky8": Official(ROCKY, "Rocky-8-EC2-Base-8.*-*.{arch}", "rocky", "Rocky Linux"),
    "rocky9": Official(ROCKY, "Rocky-9-EC2-Base-9.*-*.{arch}", "rocky", "Rocky Linux"),
    "debian12": Official(DEBIAN, "debian-12-{arch}-*", "admin", "Debian"),
    "debian13": Official(DEBIAN, "debian-13-{arch}-*", "admin", "Debian"),
}


@dataclass(frozen=True)
class ImageRequest:
    """An image that is asked for: the newest official one, or the one that is given.

    release: of ParallelCluster, which alone makes clusters of it; empty where no cluster is to be made of it.
    """

    os: str
    architecture: str
    image_id: str | None = None
    release: str = ""

    @classmethod
    def named(cls, os: str, architecture: str, image_id: str | None = None, release: str = "") -> ImageRequest:
        """By any spelling of system and architecture. Raises ImageError for what no image can be found for."""
        wanted = cls(canonical_os(os), canonical_architecture(architecture), image_id or None, release or "")
        if wanted.release and not RELEASE.fullmatch(wanted.release):
            raise ImageError(f"release {release!r} is none of ParallelCluster: expected one such as 3.16.1")
        if wanted.os not in OFFICIAL:
            raise ImageError(f"os {os!r} is not known: expected one of {', '.join(OFFICIAL)}")
        if wanted.architecture not in ARCHITECTURES:
            raise ImageError(f"architecture {architecture!r} is not known: expected one of {', '.join(ARCHITECTURES)}")
        if wanted.image_id is not None and not IMAGE_ID.fullmatch(wanted.image_id):
            raise ImageError(f"image_id {image_id!r} is none: expected ami- and 17 hex digits")
        return wanted

    @property
    def official(self) -> Official:
        return OFFICIAL[self.os]

    @property
    def _pattern(self) -> str:
        return self.official.name_pattern(self.architecture, self.release)

    def request(self) -> dict[str, Any]:
        """Parameters of DescribeImages. The given one is found although it is deprecated, others are not."""
        if self.image_id is not None:
            return {"ImageIds": [self.image_id], "IncludeDeprecated": True}
        filters = {
            "name": self._pattern,
            "architecture": self.architecture,
            "state": "available",
            "root-device-type": "ebs",
        }
        return {
            "Owners": [self.official.owner],
            "Filters": [{"Name": name, "Values": [value]} for name, value in filters.items()],
        }

    def choose(self, entries: Iterable[Mapping[str, Any]], region: str, now: str) -> Image:
        """The image to launch, of the entries of DescribeImages.

        :param region: where it was looked for, for the message.
        :param now: the time, as AWS writes it (``2026-01-31T12:00:00.000Z``).
        :return: of official ones the latest release, and of that the newest. Raises ImageError.
        """
        if self.image_id is not None:
            return self._given(entries, region, now)
        found = [self._read(entry, now) for entry in entries if self._is_official(entry)]
        if self.release and not self._of_parallelcluster:
            found = []
        found = [image for image in found if not image.deprecated]
        if not found and self.release and not self._of_parallelcluster:
            raise ImageError(
                f"ParallelCluster has no image for {self.os}, and {self.official.maker}'s own make no nodes of a "
                "cluster: make one with `pcluster build-image`. Give it with -e ami_id=ami-…"
            )
        if not found:
            raise ImageError(
                f"{self.official.maker} offers no image for {self.os} on {self.architecture} in {region}: none of the "
                f"owner {self.official.owner} is named {self._pattern}. {GIVE_ONE}"
            )
        return max(found, key=lambda image: (_release(image.name), image.created, image.image_id))

    def _given(self, entries: Iterable[Mapping[str, Any]], region: str, now: str) -> Image:
        entry = next((entry for entry in entries if entry.get("ImageId") == self.image_id), None)
        if entry is None:
            raise ImageError(f"there is no image {self.image_id} in {region} that this account may use. {GIVE_ONE}")
        if entry.get("State", "available") != "available":
            raise ImageError(f"the image {self.image_id} cannot be launched: its state is {entry['State']}. {GIVE_ONE}")
        if entry.get("Architecture") != self.architecture:
            raise ImageError(
                f"the image {self.image_id} is for {entry.get('Architecture')}, the seed for {self.architecture}. "
                f"{GIVE_ONE}"
            )
        image = self._read(entry, now)
        if self.release and not image.release:
            raise ImageError(
                f"the image {self.image_id} is none of ParallelCluster: neither its name nor its tag {RELEASE_TAG} "
                f"says of which release, and nodes of a cluster would not come up. {GIVE_ONE}, of ParallelCluster "
                f"{self.release}"
            )
        if self.release and image.release != self.release:
            raise ImageError(
                f"the image {self.image_id} is of ParallelCluster {image.release}, and clusters are made with "
                f"{self.release}. {GIVE_ONE} of that release, or let pcluster_config_library_version be {image.release}"
            )
        return image

    @property
    def _of_parallelcluster(self) -> bool:
        """Whether the official images of the system are ParallelCluster's own."""
        return self.official.owner == AMAZON

    def _is_official(self, entry: Mapping[str, Any]) -> bool:
        """Whether it is what was asked for: the owner is what makes it trusted, so it is looked at again."""
        owner = entry.get("ImageOwnerAlias") if self.official.owner == AMAZON else entry.get("OwnerId")
        pattern = re.escape(self._pattern).replace(r"\*", ".*")
        return (
            owner == self.official.owner
            and re.fullmatch(pattern, str(entry.get("Name"))) is not None
            and entry.get("Architecture") == self.architecture
        )

    def _read(self, entry: Mapping[str, Any], now: str) -> Image:
        root = str(entry.get("RootDeviceName") or "")
        mappings = [item for item in entry.get("BlockDeviceMappings") or () if item.get("DeviceName") == root]
        size = mappings[0].get("Ebs", {}).get("VolumeSize") if mappings else None
        return Image(
            image_id=str(entry["ImageId"]),
            name=str(entry.get("Name") or ""),
            owner=str(entry.get("OwnerId") or ""),
            os=self.os,
            architecture=self.architecture,
            user=self.official.user,
            created=str(entry.get("CreationDate") or ""),
            root_device=root,
            root_size_gb=size if isinstance(size, int) else None,
            # Both are UTC in the same form, so they compare as texts.
            deprecated=bool(entry.get("DeprecationTime")) and str(entry["DeprecationTime"]) <= now,
            official=self._is_official(entry),
            release=_release_of(entry),
        )


@dataclass(frozen=True)
class Image:
    """An image. root_size_gb: smallest size of the root volume, None where AWS does not tell. created: ISO 8601.

    release: of ParallelCluster, by the tag of `pcluster build-image` or by an official name; empty where nobody says.
    """

    image_id: str
    name: str
    owner: str
    os: str
    architecture: str
    user: str
    created: str
    root_device: str
    root_size_gb: int | None
    deprecated: bool
    official: bool
    release: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def _release_of(entry: Mapping[str, Any]) -> str:
    """By a tag, which only its owner sees and writes, or by the name of what Amazon owns."""
    told = from_aws(entry.get("Tags")).get(RELEASE_TAG, "")
    if RELEASE.fullmatch(told):
        return told
    named = re.match(r"aws-parallelcluster-([0-9a-z.]{1,32})-", str(entry.get("Name")))
    official = named is not None and entry.get("ImageOwnerAlias") == AMAZON
    return named[1] if named and official and RELEASE.fullmatch(named[1]) else ""


def _release(name: str) -> tuple[int, ...]:
    """The release in a name: an older one that was patched later is not the latest.

    >>> _release("aws-parallelcluster-3.16.1-rhel9-hvm-x86_64-202606150000")
    (3, 16, 1)
    """
    found = re.search(r"-([0-9]+(?:\.[0-9]+)+)-", name)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
