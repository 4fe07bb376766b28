"""Which hosts a run has, and what is said where it would work on none, or on one that is gone after it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playing import ROOT, play

SEED = ROOT / "seeds" / "quickstart.yaml"
NO_STORE = "which is the container of this AWX job, and nothing lasts of what is made in it: name the host"


@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [
        ("list_volumes", {}),
        ("list_volumes", {"seed": SEED}),
        ("build_volume", {"seed": SEED}),
        ("build_status", {"seed": SEED}),
        ("cleanup", {"provider": "local"}),
        ("delete_volume", {"seed": SEED}),
        ("share_volume", {"snapshot_id": "snap-0123456789abcdef0", "share_store": "/srv/shared"}),
        ("import_volume", {"file": "/srv/snapshot.tar"}),
    ],
)
def test_a_job_of_awx_has_no_store_of_its_own(playbook: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    done = play(playbook, awx_job_id=7, store=tmp_path / "store", **arguments)
    assert done.rc != 0, done.output
    assert f"There is no store at {tmp_path / 'store'} on localhost, {NO_STORE}" in done.output


def test_a_job_of_awx_that_says_where_it_is_has_one(tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("[all:vars]\nbuild_host=localhost\n")
    for arguments in (["-e", "build_host=localhost"], ["-i", str(tmp_path / "inventory")]):
        done = play("list_volumes", *arguments, awx_job_id=7, store=tmp_path / "store")
        assert done.rc == 0, done.output
        assert f"There is no store at {tmp_path / 'store'} on localhost: " in done.output
    (tmp_path / "store").mkdir()
    done = play("list_volumes", awx_job_id=7, store=tmp_path / "store")
    assert done.rc == 0, done.output
    assert "There is no snapshot yet" in done.output
    # Without AWX localhost is a machine.
    assert play("list_volumes", store=tmp_path / "none").rc == 0


@pytest.mark.parametrize(("playbook", "more"), [("cache", {"action": "status"}), ("mirror", {})])
def test_the_build_host_of_the_inventory_is_the_one(playbook: str, more: dict[str, Any], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.write_text(
        "builder ansible_connection=local ansible_python_interpreter=/nowhere/python\n[all:vars]\nbuild_host=builder\n"
    )
    done = play(playbook, "-i", str(inventory), spack_mirror_dir=tmp_path / "mirror", **more)
    assert done.rc != 0, done.output
    assert re.search(r"on builder\b", done.output), done.output


@pytest.mark.parametrize("playbook", ["deploy_cluster", "cluster_status", "verify_cluster", "delete_cluster"])
@pytest.mark.parametrize(
    ("inventory", "more", "said"),
    [
        ("[head]\n[compute]\nc1\n", {}, "The inventory's group head has 0 hosts. A cluster has one"),
        ("[head]\n[compute]\n[login]\n", {}, "no host in its groups head, compute, login: put the hosts"),
        ("other\n", {"awx_job_id": 7}, "localhost is the container of this AWX job: put the hosts of the cluster"),
    ],
)
def test_a_cluster_without_a_head_is_none(
    playbook: str, inventory: str, more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "inventory").write_text(inventory)
    done = play(playbook, "-i", str(tmp_path / "inventory"), seed=SEED, store=tmp_path / "store", **more)
    assert done.rc != 0, done.output
    assert said in done.output


#: Those that people start: each looks at its run first. The others are parts.
WHOLE = [
    path.stem for path in sorted((ROOT / "playbooks").glob("*.yml")) if "import_playbook: guard.yml" in path.read_text()
]


@pytest.mark.parametrize("playbook", WHOLE)
def test_a_limit_that_leaves_localhost_out_is_never_green(playbook: str, tmp_path: Path) -> None:
    """From a site's own project, as AWX starts them."""
    (tmp_path / "inventory").write_text("[all]\nother ansible_connection=local\n[head]\nh1\n[compute]\nc1\n")
    (tmp_path / "site.yml").write_text(f"- import_playbook: petal.hpc.{playbook}\n")
    done = play(
        str(tmp_path / "site.yml"), "-i", str(tmp_path / "inventory"), "--limit", "other", seed=SEED, store=tmp_path
    )
    assert done.rc != 0, done.output
    assert "localhost is not among the hosts of this run" in done.output


def test_whoever_starts_a_playbook_has_its_run_looked_at() -> None:
    parts = {"guard", "install_volume", "replace_host", "build_source", "fill_ami", "use_software"}
    assert {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - set(WHOLE) == parts
