# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that carry a seed's software, in one Region: the own account's and others', looked up as snapshots are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.common.warnings import warn

from ansible_collections.amazon.aws.plugins.module_utils.ec2 import describe_images
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import aws, ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._image import record
from ansible_collections.petal.hpc.plugins.module_utils._lookup.ebs_api import Lookup
from ansible_collections.petal.hpc.plugins.module_utils._lookup.select import select
from ansible_collections.petal.hpc.plugins.module_utils._lookup.sources import parse_sources
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy


class Images:
    """Images of the account that a module is given, in its Region, for a look-up over sources.

    :param release: of ParallelCluster; images of others are passed over with the reason. Empty for any.
    :param now: images that are deprecated by then are passed over, unless asked for by id. None: they count as well.
    :param region: another Region than the module's.
    :ivar client: EC2's there.
    """

    def __init__(
        self, module: Any, release: str = "", *, now: datetime | None = None, region: str | None = None
    ) -> None:
        self.region = region or module.region
        self.client = ec2_client(module, region)
        self._release = release
        self._now = now

    def scan(self, criteria: Criteria) -> tuple[list[Snapshot], list[Refusal]]:
        """All that may be meant, and what is no record, with the reason. Raises IdentityError and AwsError."""
        return self._ask(record.request(criteria), lambda entry: record.parse(entry, self.region), criteria)

    def shared(self, criteria: Criteria, accounts: Sequence[str]) -> tuple[list[Snapshot], list[Refusal]]:
        """The same of other accounts, by their Description. Raises as scan()."""

        def parse(entry: Mapping[str, Any]) -> Snapshot:
            return record.parse_foreign(entry, self.region, accounts, criteria)

        return self._ask(record.request_shared(criteria, accounts), parse, criteria)

    def by_id(self, *_asked: Any) -> tuple[list[Snapshot], list[Refusal]]:
        """No registry names images."""
        return [], []

    def _ask(
        self, request: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], Snapshot], criteria: Criteria
    ) -> tuple[list[Snapshot], list[Refusal]]:
        with aws(f"looking for images in {self.region}"):
            entries = describe_images(self.client, **request)
        found, refused = record.read(entries, parse)
        now = None if criteria.snapshot_ids else self._now
        unfit = {one.snapshot_id: record.unfit(one, self._release, now) for one in found}
        fit = [one for one in found if not unfit[one.snapshot_id]]
        return fit, [*refused, *(Refusal(image_id, why) for image_id, why in unfit.items() if why)]


def find_images(module: Any, criteria: Criteria) -> dict[str, Any]:
    """What software_image_info returns. Raises PetalError.

    :param module: AnsibleAWSModule with the options sources, all_sources, trusted_accounts, trust, release and
        deprecated.
    """
    given = module.params
    now = None if given["deprecated"] else datetime.now(timezone.utc)
    images = Images(module, given["release"], now=now)
    if given["sources"] is None:
        found, damaged = images.scan(criteria)
        return _as_images(select(found, criteria, damaged).to_dict())
    policy = Policy.from_mapping(given["trust"])
    # The look-up over sources asks no more of these than of snapshots.
    lookup: Any = Lookup
    everywhere = lookup(images, Host(module.run_command), None, given["trusted_accounts"], None, policy)
    # A registry names no images, which nobody needs to be warned of.
    sources = [one for one in parse_sources(given["sources"]) if one.type in ("local", "organization")]
    answer = everywhere.find(sources, criteria, given["all_sources"])
    for warning in answer.warnings:
        warn(warning)
    return _as_images(answer.to_dict())


_WORDS = re.compile(r"\bsnapshot(s?)\b")


def _as_images(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a look-up of snapshots says, about images."""

    def entry(one: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if one is None else {**one, "image_id": one["snapshot_id"]}

    def refusal(one: Mapping[str, Any]) -> dict[str, Any]:
        more = {key: value for key, value in one.items() if key not in ("snapshot_id", "reason")}
        return {"image_id": one["snapshot_id"], "reason": _WORDS.sub(r"image\1", one["reason"]), **more}

    return {
        "images": [entry(one) for one in found["snapshots"]],
        "image": entry(found["snapshot"]),
        "reason": _WORDS.sub(r"image\1", found["reason"]),
        "passed_over": [refusal(one) for one in found["passed_over"]],
        "source": found.get("source"),
    }
