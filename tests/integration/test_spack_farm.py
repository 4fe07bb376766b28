"""Packages that are built on the nodes of a cluster, by Slurm, in the order of make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import package_graph
import pytest
import spack_at_hand
from farm_lab import FarmLab, cluster_for
from minicluster.cluster import HEAD, reason_not_to
from playing import play
from spack_lab import made_at, origins, wait_for

pytestmark = pytest.mark.skipif(bool(reason_not_to()), reason=reason_not_to() or "it can be done here")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarmLab]:
    for lab in made_at(tmp_path_factory.mktemp("farm")):
        with cluster_for(lab, compute=2) as found:
            yield found


def throw_away(farm: FarmLab, name: str) -> None:
    """What becomes of a volume whose build failed: it is gone, with the files of its environment."""
    shutil.rmtree(farm.lab.tree, ignore_errors=True)
    shutil.rmtree(farm.lab.environment(name), ignore_errors=True)


def built_on(farm: FarmLab, name: str) -> list[str]:
    """The nodes that packages were built on, in their order."""
    lines = farm.lab.log(name).splitlines()
    return [line.split()[2].rstrip(":") for line in lines if line.startswith("==> Node ")]


def test_nodes_build_and_the_host_of_the_volume_brings_it_to_its_place(farm: FarmLab) -> None:
    built = farm.run(**farm.arguments("twice", "petal-last", "petal-rooted"))
    assert built["changed"]
    assert set(origins(built).values()) == {"source"}
    assert built["progress"] == {"done": 6, "total": 6, "item": ""}
    assert set(built_on(farm, "twice")) == {"c1", "c2"}
    # All of a node that is given as a whole.
    assert " 4 jobs, " in farm.lab.log("twice")
    assert {"petal-last", "petal-slow", "petal-quick", "petal-rooted"} <= set(farm.kept())
    # The compiler's wrapper as well, for who builds on top.
    assert "compiler-wrapper" in {item["name"] for item in built["environment"]["packages"]}
    prefix = next(item["prefix"] for item in built["environment"]["packages"] if item["name"] == "petal-rooted")
    said = farm.cluster.run(HEAD, f"{prefix}/bin/petal-rooted").strip()
    assert Path("/", said.lstrip("/")) == Path(prefix)
    assert farm.left() == []
    assert farm.jobs() == []
    again = farm.run(**farm.arguments("twice", "petal-last", "petal-rooted"))
    assert not again["changed"]

    # What the cache has needs no node.
    throw_away(farm, "twice")
    taken = farm.run(**farm.arguments("twice", "petal-last", "petal-rooted"))
    assert set(origins(taken).values()) == {"cache"}
    assert built_on(farm, "twice") == []


def test_what_fails_on_a_node_is_said_with_its_node_and_its_log(farm: FarmLab) -> None:
    found = farm.ask(**farm.arguments("failing", "petal-broken", "petal-side", fail_fast=False))
    (failed,) = found["environment"]["failed"]
    assert failed["host"] in ("c1", "c2")
    assert found["msg"].startswith(f"petal-broken@1.0 did not build on {failed['host']}: it failed in its phase build.")
    assert "error: 'nothing' undeclared" in found["msg"]
    assert "error: 'nothing' undeclared" in Path(failed["log"]).read_text()
    assert "petal-side" in farm.kept()
    assert "petal-broken" not in farm.kept()
    assert farm.left() == []


def test_what_cannot_be_is_said_before_anything_is_built(farm: FarmLab) -> None:
    given = farm.arguments("never", "petal-never")
    said = farm.fail(**{**given, "farm": {"options": ["--partition=build"]}})
    assert "Slurm ran no job for the build farm (--partition=build): invalid partition specified: build" in said
    said = farm.fail(**{**given, "farm": {"options": ["-p", "build"]}})
    assert said.startswith("farm.options has 'build': expected options of salloc")
    said = farm.fail(**{**given, "cache_dir": None})
    assert said.startswith("a build farm needs the host's own cache (cache_dir)")
    # A directory of the head alone.
    said = farm.fail(**{**given, "cache_dir": farm.lab.root / "mine"})
    assert "no package can be built on the node c" in said
    assert f"it does not see {farm.lab.root}/mine/farm/" in said
    farm.cluster.run(HEAD, "mv /usr/bin/salloc /usr/bin/salloc.off")
    try:
        said = farm.fail(**given)
    finally:
        farm.cluster.run(HEAD, "mv /usr/bin/salloc.off /usr/bin/salloc")
    assert said.startswith("salloc is not found on head1: ")
    assert built_on(farm, "never") == []
    assert farm.jobs() == []


def test_jobs_end_with_the_installation(farm: FarmLab) -> None:
    given = farm.arguments("ended", "petal-endless", timeout=30)
    said = farm.fail(**given)
    assert "ended after its time-out of 30 s. It was at work on petal-endless@1.0" in said
    assert farm.jobs() == []
    wait_for(lambda: farm.left() == [])


def test_one_that_was_killed_is_taken_up_and_its_jobs_are_ended(farm: FarmLab) -> None:
    given = farm.arguments("killed", "petal-endless", "petal-side", build_from_source=["petal-side"])
    farm.run(**given, state="started")
    wait_for(lambda: "petal-endless@1.0 build" in farm.lab.log("killed"))
    told = farm.run(spack=given["spack"], work_dir=given["work_dir"], name="killed", state="status")
    assert told["status"] == "running"
    assert "petal-endless@1.0 build (c" in told["progress"]["item"]
    farm.cluster.run(HEAD, "pkill --signal KILL --session $(pgrep -f runner.py | head -1)")
    assert farm.jobs() != []
    built = farm.run(**farm.arguments("killed", "petal-side"))
    assert built["environment"]["finished"]
    assert farm.jobs() == []
    assert farm.left() == []


def test_a_volume_is_built_on_the_nodes_of_a_cluster(farm: FarmLab, tmp_path: Path) -> None:
    """By the playbook, on the head, which has a mirror and no network; the nodes have the cache alone."""
    repository = package_graph.write(farm.recipes)
    seed = tmp_path / "seed.yaml"
    storage = {"name": "software", "mount_dir": "/petal-farm", "ebs_settings": {"size": 2}}
    software = {"spack_packages": ["lab-r6"], "spack": {"target": "x86_64"}}
    seed.write_text(
        json.dumps(
            {"cluster": {"name": "farm", "provider": "local"}, "shared_storage": [storage], "software": software}
        )
    )
    variables = {
        "seed": str(seed),
        "build_host": HEAD,
        "build_farm": "slurm",
        "build_farm_options": ["--partition=all", "--exclusive"],
        "software_volume_own_cache": str(farm.cache / "site"),
        "spack_repositories": {package_graph.NAMESPACE: str(repository)},
        **spack_at_hand.variables(),
    }
    built = play("build_volume", "-i", str(farm.cluster.inventory), "-e", json.dumps(variables))
    assert built.rc == 0, built.output[-4000:]
    assert "Built: snap-" in built.output
    log = farm.cluster.run(HEAD, "cat /var/cache/petal/spack/_petal-farm_*/envs/*/install.log")
    assert log.count("==> Node c") == 4
    assert {"lab-b5", "lab-r6"} <= {path.parent.name for path in farm.cache.glob("site/packages/v3/manifests/spec/*/*")}
    assert farm.jobs() == []
    assert farm.left() == []
