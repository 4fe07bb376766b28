# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contributions to a registry: written once, sorted, without what is private; and the validation of a whole one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.petal.hpc.plugins.module_utils._registry.record import RegistryError
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info
from ansible_collections.petal.hpc.plugins.plugin_utils.registry_clone import InvalidRegistryError, run

ROOT = Path(__file__).parents[4]
SEED: dict[str, Any] = {
    "cluster": {"name": "bio", "region": "us-east-1", "os": "al2023"},
    "compute": {"head_node": "t3.large", "queues": [{"name": "c", "instance_types": ["c6i.large"], "max_count": 2}]},
    "shared_storage": [
        {"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 10, "kms_key_id": "alias/x"}}
    ],
    "software": {
        "spack_packages": ["samtools@1.21"],
        "python_environments": [{"name": "py", "packages": ["numpy==2.2.1"]}],
        "binary_cache": {"s3_bucket": "our-secret-bucket"},
    },
    "users": [{"name": "alice", "uid": 5001}],
    "registry": {"trusted_accounts": ["999888777666"]},
}


class Case:
    """A clone and a seed."""

    def __init__(self, directory: Path) -> None:
        self.clone, self.seed = directory / "clone", directory / "seed.yaml"
        (self.clone / ".git").mkdir(parents=True)
        self.directory = directory
        self.write(SEED)

    def write(self, seed: dict[str, Any]) -> None:
        self.seed.write_text(yaml.safe_dump(seed))
        self.fingerprint = seed_info.describe({"path": str(self.seed)}, "/")["fingerprint"]

    def snapshot(self, **different: Any) -> dict[str, Any]:
        return {
            "snapshot_id": "snap-0123456789abcdef0",
            "fingerprint": self.fingerprint,
            "name": "bio",
            "os": "alinux2023",
            "architecture": "x86_64",
            "size_gb": 10,
            "created": "2026-01-31T12:00:00Z",
            "state": "completed",
            "provider": "aws",
            "source": "local",
            "owner": "111122223333",
            "region": "us-east-1",
            "stored_bytes": None,
            "sha256": None,
            "description": "",
            "encrypted": False,
            **different,
        }

    def submit(self, *snapshots: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        base = {
            "path": str(self.clone),
            "state": "present",
            "seed": str(self.seed),
            "snapshots": list(snapshots or [self.snapshot()]),
            "description": "Genomics",
            "public": True,
            "registry": "https://registry.example.org",
            "date": "2026-02-01",
        }
        return run({**base, **more}, "/", check)

    def refused(self, *snapshots: dict[str, Any], **more: Any) -> str:
        with pytest.raises(RegistryError) as caught:
            self.submit(*snapshots, **more)
        return str(caught.value)

    def validate(self) -> dict[str, Any]:
        return run({"path": str(self.clone), "state": "validated"}, "/")

    def problems(self) -> str:
        with pytest.raises(InvalidRegistryError) as caught:
            self.validate()
        return str(caught.value)

    def stack(self, **different: Any) -> None:
        path = self.clone / "snapshots" / "bio.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **different}, indent=2) + "\n")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_contribution_is_valid_and_made_once(case: Case) -> None:
    assert case.submit(check=True)["changed"] is True
    assert not (case.clone / "snapshots").exists()
    first = case.submit()
    assert first["files"] == ["seeds/bio.yaml", "snapshots/bio.json", "snapshots/index.json"]
    assert case.validate() == {"changed": False, "stacks": 1, "snapshots": 1, "warnings": []}
    again = case.submit(date="2026-03-01")
    assert (again["changed"], again["files"]) == (False, [])


def test_what_is_private_stays(case: Case) -> None:
    case.submit()
    text = "".join(path.read_text() for path in case.clone.rglob("*") if path.is_file())
    for private in ("alice", "our-secret-bucket", "alias/x", "999888777666"):
        assert private not in text
    assert "seeds/bio.yaml" in text


def test_a_second_region_and_a_second_stack_change_their_lines_only(case: Case) -> None:
    case.submit()
    before = (case.clone / "snapshots" / "index.json").read_text().splitlines()
    case.submit(case.snapshot(region="eu-west-1", snapshot_id="snap-" + "1" * 17), date="2026-03-01")
    stack = json.loads((case.clone / "snapshots" / "bio.json").read_text())
    assert [one["region"] for one in stack["snapshots"]] == ["eu-west-1", "us-east-1"]
    assert (stack["created"], stack["updated"]) == ("2026-02-01", "2026-03-01")
    case.submit(name="another")
    after = (case.clone / "snapshots" / "index.json").read_text().splitlines()
    assert [line for line in before if line not in after] == []
    assert case.validate()["stacks"] == 2


def test_another_version_of_a_stack_replaces_its_region(case: Case) -> None:
    case.submit(case.snapshot(), case.snapshot(region="eu-west-1", snapshot_id="snap-" + "1" * 17))
    old = case.fingerprint
    case.write({**SEED, "software": {"spack_packages": ["samtools@1.22"]}})
    case.submit(case.snapshot(snapshot_id="snap-" + "2" * 17))
    assert case.fingerprint != old
    stack = json.loads((case.clone / "snapshots" / "bio.json").read_text())
    assert [(one["region"], one.get("fingerprint")) for one in stack["snapshots"]] == [
        ("eu-west-1", old),
        ("us-east-1", None),
    ]
    index = json.loads((case.clone / "snapshots" / "index.json").read_text())
    assert {one["fingerprint"] for one in index["snapshots"]} == {old, case.fingerprint}
    assert case.validate()["snapshots"] == 2


@pytest.mark.parametrize(
    ("different", "message"),
    [
        ({"encrypted": True}, "encrypted and cannot be public"),
        ({"state": "pending"}, "the state of snap-0123456789abcdef0 is pending"),
        ({"fingerprint": "sha256:" + "0" * 64}, "the seed has sha256:"),
        ({"provider": "local", "region": None}, "is of provider local"),
    ],
)
def test_snapshots_that_cannot_be_shared(case: Case, different: dict[str, Any], message: str) -> None:
    assert message in case.refused(case.snapshot(**different))
    assert not (case.clone / "snapshots").exists()


@pytest.mark.parametrize(
    ("software", "message"),
    [
        ({"spack_packages": ["hdf5@1.14 ^intel-oneapi-mpi"]}, "intel-oneapi-mpi may not be handed on"),
        ({"spack_packages": ["zlib"], "compiler": "nvhpc@25.1"}, "nvhpc may not be handed on"),
        (
            {"python_environments": [{"name": "py", "packages": ["ours @ file:///srv/ours.whl"]}]},
            "is a file of this site",
        ),
    ],
)
def test_software_that_cannot_be_shared(case: Case, software: dict[str, Any], message: str) -> None:
    case.write({**SEED, "software": software})
    assert message in case.refused()


def test_every_reason_at_once(case: Case) -> None:
    text = case.refused(case.snapshot(encrypted=True, state="error"), description="key AKIAIOSFODNN7EXAMPLE")
    assert text.count("\n") == 3
    assert "looks like a secret" in text
    assert "IOSFODNN7EXAMPLE" not in text


def test_chosen_accounts_may_have_what_the_public_may_not(case: Case) -> None:
    case.write({**SEED, "software": {"spack_packages": ["vasp@6"]}})
    assert case.submit(case.snapshot(encrypted=True), public=False)["changed"]


def test_what_belongs_to_somebody_else(case: Case) -> None:
    case.submit()
    assert "belongs to account 111122223333" in case.refused(case.snapshot(owner="444455556666"))


@pytest.mark.parametrize("name", ["../x", "a/b", "{{ 1 }}", "index.json", "-x"])
def test_names_that_are_none(case: Case, name: str) -> None:
    assert "is none" in case.refused(name=name)
    assert [path.name for path in case.clone.iterdir()] == [".git"]


def test_nothing_is_written_through_a_link(case: Case) -> None:
    outside = case.directory / "outside"
    outside.mkdir()
    for name in ("snapshots", "seeds"):
        (case.clone / name).symlink_to(outside)
        assert "is a link" in case.refused()
        (case.clone / name).unlink()
    case.submit()
    target = case.directory / "target"
    target.write_text("kept")
    (case.clone / "seeds" / "bio.yaml").unlink()
    (case.clone / "seeds" / "bio.yaml").symlink_to(target)
    assert "cannot be read" in case.refused()
    assert target.read_text() == "kept"
    assert list(outside.iterdir()) == []


def test_no_clone_and_no_seed(case: Case) -> None:
    assert "no seed is named" in case.refused(seed="")
    shutil.rmtree(case.clone / ".git")
    assert "is no Git clone" in case.refused()
    assert "is no directory" in case.refused(path=str(case.directory / "none"))


def test_everything_that_is_wrong_with_a_registry(case: Case) -> None:
    assert "there is no snapshots/index.json" in case.problems()
    case.submit()
    case.submit(name="other")
    (case.clone / "snapshots" / "other.json").unlink()
    (case.clone / "snapshots" / "unknown.json").write_text("{}")
    (case.clone / "snapshots" / "notes.txt").write_text("x")
    (case.clone / "seeds" / "bio.yaml").write_text("cluster: {name: x, region: us-east-1, os: rhel9}\n")
    snapshots = json.loads((case.clone / "snapshots" / "bio.json").read_text())["snapshots"]
    case.stack(licence="MIT", snapshots=[*snapshots, {"region": "eu-west-1", "snapshot_id": "snap-0abc123"}])
    text = case.problems()
    for expected in (
        "snapshots/other.json is missing",
        "snapshots/index.json: the stack unknown is missing",
        "snapshots/notes.txt: the name",
        "seeds/bio.yaml",
        "snapshots/bio.json: snapshots[1]: snapshot_id 'snap-0abc123' is not of the expected form",
        "snapshots/bio.json: the key 'licence' is unknown",
    ):
        assert expected in text, text


def test_what_could_be_better_is_a_warning(case: Case) -> None:
    case.submit()
    case.stack(aws_account=None)
    said = "\n".join(case.validate()["warnings"])
    assert "snapshots/bio.json: aws_account is missing" in said
    assert "snapshots/bio.json: it is not in its one form" in said
    path = case.clone / "snapshots" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert "snapshots/index.json: it is not in its one form" in str(case.validate()["warnings"])


def test_a_registry_as_the_design_prints_it_is_valid_and_can_be_contributed_to(case: Case) -> None:
    shutil.copytree(ROOT / "tests" / "truth" / "examples" / "registry", case.clone, dirs_exist_ok=True)
    found = case.validate()
    assert (found["stacks"], found["snapshots"]) == (2, 5)
    case.submit(tags=["genomics"])
    assert case.validate()["stacks"] == 3
    index = json.loads((case.clone / "snapshots" / "index.json").read_text())
    assert [(one["name"], one["metadata_url"]) for one in index["snapshots"]] == [
        (name, f"snapshots/{name}.json") for name in ("bio", "bioinformatics-v1", "my-custom-stack")
    ]
    assert index["snapshots"][0]["tags"] == ["genomics"]
    # Two of one system that differ in size are two variants; two that differ in nothing are a mistake.
    path = case.clone / "snapshots" / "bioinformatics-v1.json"
    stack = json.loads(path.read_text())
    again = {**stack["snapshots"][0], "snapshot_id": "snap-" + "b" * 17}
    path.write_text(json.dumps({**stack, "snapshots": [*stack["snapshots"], again]}))
    assert "two snapshots are for the same Region" in case.problems()


def test_a_contribution_of_an_overridden_seed(case: Case) -> None:
    overrides = {"os": "ubuntu2404", "cluster_name": "research-1", "name": "bio-v1"}
    fingerprint = seed_info.describe({"path": str(case.seed), "overrides": overrides}, "/")["fingerprint"]
    snapshot = case.snapshot(fingerprint=fingerprint, os="ubuntu2404")
    assert case.submit(snapshot, overrides=overrides)["name"] == "bio-v1"
    published = yaml.safe_load((case.clone / "seeds" / "bio-v1.yaml").read_text())
    assert (published["cluster"]["name"], published["cluster"]["os"]) == ("research-1", "ubuntu2404")
    assert case.validate()["stacks"] == 1


def test_a_snapshot_of_others_that_cannot_be_used_is_not_dropped(case: Case) -> None:
    case.submit()
    case.stack(snapshots=[{"region": "us-east-1", "snapshot_id": "snap-0abc123"}])
    assert "has a snapshot that cannot be used: snapshots[0]" in case.refused()


def test_a_volume_of_version_1_can_be_offered(case: Case) -> None:
    (older,) = seed_info.describe({"path": str(case.seed)}, "/")["older_fingerprints"]
    assert case.submit(case.snapshot(fingerprint=older))["stack"]["fingerprint"] == older
    assert case.validate()["stacks"] == 1


def test_a_day_without_quotes_is_published(case: Case) -> None:
    case.write(SEED)
    case.seed.write_text(case.seed.read_text().replace("- name: py", "- as_of: 2026-11-01\n    name: py"))
    case.fingerprint = seed_info.describe({"path": str(case.seed)}, "/")["fingerprint"]
    assert case.submit()["changed"]
    assert case.validate()["stacks"] == 1


@pytest.mark.parametrize(
    ("inputs", "name"),
    [({"lmod_method": "package"}, "lmod_method"), ({"spack_config": {"config": {"x": 1}}}, "spack_config")],
)
def test_what_a_site_alone_knows_is_not_offered(case: Case, inputs: dict[str, Any], name: str) -> None:
    fingerprint = seed_info.describe({"path": str(case.seed), "inputs": inputs}, "/")["fingerprint"]
    with pytest.raises(RegistryError, match=f"it was built with {name}, which no seed carries"):
        case.submit(case.snapshot(fingerprint=fingerprint), inputs=inputs)


def test_the_tag_of_an_image_is_published_with_what_it_stood_for(case: Case) -> None:
    image, digest = "example.org/lab/bio:v1", "sha256:" + "ab" * 32
    containers = [{"name": "bio", "image": image, "modules": {"samtools": {"args": ["view"]}}, "gpu": True}]
    case.write({**SEED, "software": {"containers": containers}})
    refs = {image: digest}
    case.fingerprint = seed_info.describe({"path": str(case.seed), "resolved_refs": refs}, "/")["fingerprint"]
    assert case.submit(resolved_refs=refs)["changed"]
    assert case.validate()["stacks"] == 1
    (published,) = yaml.safe_load((case.clone / "seeds" / "bio.yaml").read_text())["software"]["containers"]
    assert (published["image"], published["version"]) == (f"{image}@{digest}", "v1")


def test_a_sites_own_modulefile_is_not_offered(case: Case) -> None:
    (case.seed.parent / "tool-1.0.lua").write_text("help([[A tool]])\n")
    case.seed.write_text(case.seed.read_text().replace("software:\n", "software:\n  modules: [tool-1.0.lua]\n"))
    fingerprint = seed_info.describe({"path": str(case.seed)}, "/")["fingerprint"]
    with pytest.raises(RegistryError, match=r"it was built with tool-1\.0\.lua, which no seed carries"):
        case.submit(case.snapshot(fingerprint=fingerprint))


def test_a_seed_of_another_fingerprint(case: Case) -> None:
    case.submit()
    path = case.clone / "seeds" / "bio.yaml"
    path.write_text(path.read_text().replace("1.21", "1.22"))
    assert "seeds/bio.yaml: its fingerprint is" in case.problems()
    path.write_text("a0: &a [x]\n" + "".join(f"a{n}: &a{n} [*a, *a]\n" for n in range(1, 9)))
    assert "seeds/bio.yaml" in case.problems()
