"""What each tier would take: what is known is said, and what is not is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._tiers import table
from ansible_collections.petal.hpc.plugins.module_utils._tiers.table import Known, lines, rows

SUMS = {
    "build_usd": 2.5,
    "most_usd": 7.5,
    "snapshot_month_usd": 25.0,
    "volume_month_usd": 40.0,
    "hours": 12.0,
    "spot": True,
}
PRICES = {"source": "table of 2026-06-01 for us-east-1", "snapshot_gb_month_usd": 0.05, "notes": ["no spot price"]}
FORMER = {"tags": {"petal:build-id": "20261120T100000Z-01234567"}, "created": "2026-11-20T11:24:05Z"}


def plan(provider: str = "aws", **software: Any) -> dict[str, Any]:
    of_seed = {
        "spack_packages": ["zlib", "bzip2"],
        "build_from_source": [],
        "stacks": [],
        "python_environments": [],
        "containers": [],
        "in_ami": [],
        "use_custom_ami": False,
        "binary_cache": None,
        "build": {"timeout": "12h"},
        **software,
    }
    return {
        "name": "bio",
        "provider": provider,
        "fingerprint": "sha256:0",
        "reason": "local: no snapshot matches",
        "seed_arguments": "-e seed=bio.yaml",
        "size_gb": 500,
        "seed": {"tier": "auto", "cluster": {"os": "alinux2023"}, "software": of_seed},
    }


def row(tier: str, about: dict[str, Any], known: Known | None = None) -> table.Row:
    return next(one for one in rows(about, known or Known()) if one.tier == tier)


def test_on_hosts_of_ones_own_it_costs_nothing() -> None:
    volume = row("volume", plan("local"))
    assert (volume.build_usd, volume.month_usd) == (0.0, 0.0)
    assert volume.costs.startswith("none")
    assert volume.takes == (
        "2 specs of Spack and what they need: at most 12h (software.build.timeout); "
        "no earlier build of bio tells how long"
    )
    assert volume.start == (
        "ansible-playbook petal.hpc.build_volume -e seed=bio.yaml",
        "ansible-playbook petal.hpc.deploy_cluster -e seed=bio.yaml",
    )
    assert "an image is one of AWS" in row("ami", plan("local")).not_possible
    assert row("ami", plan("local")).to_dict()["possible"] is False


def test_prices_of_aws() -> None:
    known = Known(PRICES, SUMS, "", 45, (FORMER,))
    volume, image = row("volume", plan(), known), row("ami", plan(), known)
    assert (volume.build_usd, volume.month_usd) == (7.5, 25.0)
    assert volume.costs == (
        "at most 7.50 USD for 12.0 h, the time-out, 2.50 if the spot host stays; the snapshot at most 25.00 USD a "
        "month (table of 2026-06-01 for us-east-1); the volume of a cluster 40.00 USD a month"
    )
    assert volume.takes.endswith("the last build of bio took 1 h 24 min (2026-11-20)")
    assert image.costs.endswith("; the image at most 27.25 USD a month beside it")
    assert (image.build_usd, image.month_usd) == (7.5, 52.25)
    assert image.start == (
        "ansible-playbook petal.hpc.build_ami -e seed=bio.yaml",
        "ansible-playbook petal.hpc.deploy_cluster -e seed=bio.yaml -e tier=ami",
    )
    assert "no spot price" in lines(plan(), known)


def test_what_nobody_knows_is_unknown() -> None:
    nothing = row("volume", plan(), Known(unpriced="no credentials"))
    assert (nothing.costs, nothing.build_usd, nothing.month_usd) == ("unknown: no credentials", None, None)
    image = row("ami", plan(), Known(PRICES, SUMS))
    assert image.costs.endswith("the image at most an unknown number of USD a month beside it")
    assert image.month_usd is None
    unpriced = row("volume", plan(), Known(PRICES, {**SUMS, "most_usd": None, "snapshot_month_usd": None}))
    assert "at most an unknown number of USD for 12.0 h" in unpriced.costs
    assert (unpriced.build_usd, unpriced.month_usd) == (None, None)


@pytest.mark.parametrize(
    "former",
    [
        {},
        {"tags": None, "created": "2026-11-20T11:24:05Z"},
        {"tags": {"petal:build-id": "by hand"}, "created": "2026-11-20T11:24:05Z"},
        {**FORMER, "created": "yesterday"},
        {**FORMER, "created": "2026-11-20T09:00:00Z"},
        {"tags": {"petal:build-id": "20269999T100000Z-01234567"}, "created": "2026-11-20T11:24:05Z"},
    ],
    ids=str,
)
def test_a_build_that_does_not_tell_how_long_it_took(former: dict[str, Any]) -> None:
    assert "no earlier build of bio tells how long" in row("volume", plan(), Known(former=(former,))).takes
    assert "took 1 h 24 min" in row("volume", plan(), Known(former=(former, FORMER))).takes


def test_a_cluster_that_builds_its_own_software_is_started_in_one_step() -> None:
    start = "ansible-playbook petal.hpc.deploy_cluster -e seed=bio.yaml -e tier=source"
    assert row("source", plan("local")).start == (start,)
    on_aws = row("source", plan(), Known(PRICES, SUMS))
    assert on_aws.start == (f"{start} -e head_node_key_file=FILE",)
    assert (on_aws.build_usd, on_aws.month_usd) == (None, 25.0)
    assert on_aws.costs == (
        "what the cluster costs meanwhile, which is unknown before there is one; "
        "its snapshot at most 25.00 USD a month, its volume 40.00"
    )


def test_a_hybrid_is_built_in_two_steps() -> None:
    assert [command.split()[1] for command in row("hybrid", plan(in_ami=["gcc"])).start] == [
        *("petal.hpc.build_ami", "petal.hpc.build_volume", "petal.hpc.deploy_cluster"),
    ]


def test_images_of_containers_alone() -> None:
    images = {"spack_packages": [], "containers": [{"name": "bio"}]}
    both = row("containers", plan("local", **images)), row("volume", plan("local", **images))
    assert both[0].takes == both[1].takes
    assert both[0].takes.startswith("1 image of a container: ")
    assert "beside which nothing is compiled" in row("containers", plan("local", containers=[{}])).not_possible


def test_the_table() -> None:
    about = {**plan(binary_cache={"s3_bucket": "lab", "s3_prefix": "bio"}), "tier": "volume", "tier_reason": "so it is"}
    shown = lines({**about, "image_reason": "no image matches"}, Known(unpriced="no credentials"))
    assert shown[0] == "Nothing is built of bio (sha256:0): local: no snapshot matches."
    assert shown[1:3] == ["The tier is volume: so it is.", "No image either: no image matches."]
    assert "volume      takes  2 specs" in "\n".join(shown)
    assert [line.split()[0] for line in shown if line[:1].islower()] == [
        *("volume", "ami", "containers", "source", "hybrid"),
    ]
    assert shown[-1].startswith("Build cache s3://lab/bio: how much of it is there, and need not be built, is unknown")
    assert "until somebody asks, on a host with alinux2023 (-e build_host=HOST): ansible-playbook" in shown[-1]
    assert "petal.hpc.cache -e action=status -e seed=bio.yaml" in shown[-1]
    assert lines(plan(), Known())[-1] == (
        "Build cache: the seed names none (software.binary_cache), so that all of it is built."
    )


@pytest.mark.parametrize(
    ("software", "words"),
    [
        ({"spack": {"repos": [{"path": "recipes"}]}}, "recipes of its own (software.spack.repos)"),
        ({"in_ami": ["cmake"]}, "packages of an image (software.in_ami)"),
    ],
)
def test_a_command_that_would_be_refused_is_not_named(software: dict[str, Any], words: str) -> None:
    last = lines(plan(binary_cache={"s3_bucket": "lab", "s3_prefix": ""}, **software), Known())[-1]
    assert last == f"Build cache s3://lab: how much of it is there shows when it is built, as the seed has {words}."
