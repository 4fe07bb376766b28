"""The filters that say which snapshot a cluster is to use, and what to do about one that is not trusted."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.deployment_target import deployment_target
from ansible_collections.petal.hpc.plugins.filter.trust_advice import trust_advice

DEPLOYED: dict[str, Any] = {
    "volumes": [{"name": "bio-1", "snapshot_id": "snap-1", "tags": {"petal:fingerprint": "sha256:1"}}],
    "untrusted": {},
    "uses": {},
}
PLAN = {"cluster": "bio", "fingerprint": "sha256:2", "snapshot": {"snapshot_id": "snap-2"}, "name": "bio"}
LINKS = {"current": "snap-1", "previous": "snap-1", "scontrol": ""}
ASKED = {"snapshot_id": "", "rollback": False, "versions": "/srv/petal/bio", "signatures": {}}


def test_the_plan_the_cluster_and_what_is_asked_make_the_target() -> None:
    target = deployment_target(DEPLOYED, PLAN, LINKS, ASKED)
    assert (target["snapshot_id"], target["directory"]) == ("snap-2", "/srv/petal/bio/snap-2")
    assert deployment_target(DEPLOYED, PLAN, LINKS, {**ASKED, "rollback": True})["fingerprint"] == "sha256:1"


def test_a_plan_without_a_snapshot_leads_to_none() -> None:
    assert deployment_target(DEPLOYED, {**PLAN, "snapshot": None}, LINKS, ASKED)["snapshot_id"] == ""


@pytest.mark.parametrize("deployed", [{}, None, {"volumes": []}])
def test_what_does_not_say_what_there_is_is_an_error(deployed: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="it is not said what there is"):
        deployment_target(deployed, PLAN, LINKS, ASKED)


def test_a_volume_that_says_nothing_of_itself_is_an_error() -> None:
    silent = {**DEPLOYED, "volumes": [{**DEPLOYED["volumes"][0], "tags": {}}]}
    with pytest.raises(AnsibleFilterError, match=r"petal\.hpc\.deployment_target: the volume bio-1 of snap-1"):
        deployment_target(silent, PLAN, LINKS, {**ASKED, "rollback": True})


def test_the_advice_names_what_is_trusted() -> None:
    target = deployment_target(DEPLOYED, PLAN, LINKS, ASKED)
    assert "deploy_cluster with -e snapshot_id=snap-1" in trust_advice(target, "snap-2")
    with pytest.raises(AnsibleFilterError, match="takes the target of a cluster"):
        trust_advice({}, "snap-2")
