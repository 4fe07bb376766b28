"""What the action does, without Ansible."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info

SEED = """\
cluster: {name: bio, provider: local, os: rocky9, architecture: x86_64}
software:
  spack: {version: develop}
  spack_packages: [zlib]
snapshot_sources: [{type: local, priority: 1}]
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    result = tmp_path / "seed.yaml"
    result.write_text(SEED)
    return result


def describe(path: Path, **arguments: Any) -> dict[str, Any]:
    return seed_info.describe({"path": str(path), **arguments}, "/")


def test_result(path: Path) -> None:
    info = describe(path)
    assert info["name"] == "bio"
    assert info["seed"]["cluster"]["os"] == "rocky9"
    assert info["fingerprint"].startswith("sha256:")
    assert info["fingerprint_input"]["os"] == "rocky9"
    assert info["software_volume"] == {
        "name": "software",
        "mount_dir": "/shared",
        "size_gb": 100,
        "volume_type": "gp3",
        "iops": 3000,
        "throughput": 125,
        "encrypted": False,
        "kms_key_id": None,
    }
    assert info["controller"]["pid"] == os.getppid()
    assert len(info["warnings"]) == 1
    assert "develop" not in info["warnings"][0]


def test_branches_are_resolved(path: Path) -> None:
    info = describe(path, resolved_refs={"spack": COMMIT, "packages": None})
    assert info["fingerprint_input"]["spack"]["version"] == COMMIT
    assert info["fingerprint"] != describe(path)["fingerprint"]


def test_what_the_play_decides(path: Path) -> None:
    """Templates of the play are made values; nothing else of it is looked at."""
    variables = {"spack_packages_config": "{{ mine }}", "lmod_method": "spack", "spack_jobs": 4, "other": "{{ broken"}
    arguments = seed_info.with_inputs({"path": str(path)}, variables, {"{{ mine }}": {"all": {}}, "spack": "spack"}.get)
    assert arguments["inputs"] == {"spack_packages_config": {"all": {}}, "lmod_method": "spack"}
    info = seed_info.describe(arguments, "/")
    assert info["inputs"]["settings"] == {"spack_packages_config": {"all": {}}}
    assert info["inputs"]["lmod_method"] == "spack"
    assert info["older_fingerprints"] == []
    assert info["fingerprint"] != describe(path)["fingerprint"]
    assert seed_info.with_inputs({"inputs": {}}, variables, str) == {"inputs": {}}


def test_an_extra_variable_does_not_overrule_the_seed(path: Path) -> None:
    with pytest.raises(SeedError, match=r"spack_target: the seed decides this \(software\.spack\.target\)"):
        seed_info.with_inputs({"path": str(path)}, {}, str, {"spack_target": "zen3", "seed": "x"})


def test_an_extra_variable_does_not_overrule_the_seeds_settings(path: Path) -> None:
    path.write_text(SEED.replace("develop}", "develop, config: {packages: {zlib: {variants: +pic}}}}"))
    extra: dict[str, Any] = {"spack_packages_config": {"all": {}}}
    with pytest.raises(SeedError, match=r"spack_packages_config: an extra variable overrules all others"):
        seed_info.describe({"path": str(path), "inputs": extra}, "/", extra)
    # Those of group_vars join it, and one about something else is welcome.
    found = seed_info.describe({"path": str(path), "inputs": extra}, "/", {"spack_config": {"deprecated": True}})
    assert found["plan"]["spack_settings"]["spack_packages_config"] == {"all": {}, "zlib": {"variants": "+pic"}}


def test_sources_from_outside_take_the_place_of_the_seeds_own(path: Path) -> None:
    sources = [{"type": "organization", "priority": 5, "account": "123456789012"}]
    whole = [{**sources[0], "enabled": True, "store": None}]
    assert describe(path, snapshot_sources=sources)["seed"]["snapshot_sources"] == whole
    with pytest.raises(SeedError, match=r"snapshot_sources\[0\]\.account"):
        describe(path, snapshot_sources=[{"type": "organization", "priority": 5}])


def test_extra_variables_override_the_seed(path: Path) -> None:
    given = {"cluster_name": "research-1", "os": "ubuntu24.04", "region": "eu-west-1", "name": "bio-v1"}
    info = describe(path, overrides=given)
    assert info["seed"]["cluster"] == {
        "name": "research-1",
        "region": "eu-west-1",
        "provider": "local",
        "os": "ubuntu2404",
        "architecture": "x86_64",
    }
    assert info["name"] == "bio-v1"
    said = f"-e seed={path} -e cluster_name=research-1 -e os=ubuntu24.04 -e region=eu-west-1 -e name=bio-v1"
    assert info["arguments"] == said
    # As if it stood there; names and Regions decide no bytes.
    path.write_text(SEED.replace("rocky9", "ubuntu2404"))
    assert info["fingerprint"] == describe(path)["fingerprint"]


def test_one_that_is_empty_overrides_nothing(path: Path) -> None:
    info = describe(path, overrides={"cluster_name": "", "os": None, "region": "", "name": ""})
    assert (info["fingerprint"], info["arguments"]) == (describe(path)["fingerprint"], f"-e seed={path}")
    assert info["name"] == "bio"


def test_the_advice_repeats_what_makes_another_volume_of_it_or_puts_it_elsewhere(path: Path) -> None:
    extra = {"seed": "x", "force": True, "store": "/srv/my store", "lmod_method": "source", "spack_config": {"a": True}}
    info = seed_info.describe({"path": str(path)}, "/", {**extra, "lmod_source_url": "https://me:secret@h/l.tar.gz"})
    given = shlex.split(info["arguments"])
    assert given[::2] == ["-e"] * 5
    assert given[1::2] == [
        f"seed={path}",
        '{"store": "/srv/my store"}',
        "lmod_method=source",
        '{"spack_config": {"a": true}}',
        "lmod_source_url=https://h/l.tar.gz",
    ]


def test_a_region_makes_a_seed_without_provider_one_for_aws(path: Path) -> None:
    path.write_text("cluster: {name: x}\nsoftware: {spack_packages: [zlib]}\n")
    info = describe(path, overrides={"region": "us-east-1"})
    assert (info["seed"]["cluster"]["provider"], info["seed"]["cluster"]["os"]) == ("aws", "alinux2023")


def problems_of(path: Path, **arguments: Any) -> dict[str, str]:
    with pytest.raises(SeedError) as caught:
        describe(path, **arguments)
    # What is wrong does not stand in the seed, so no line of it is named.
    assert [problem.line for problem in caught.value.problems] == [None] * len(caught.value.problems)
    return {problem.path: f"{problem.message} ({problem.value})" for problem in caught.value.problems}


def test_what_is_wrong_says_where_it_comes_from(path: Path) -> None:
    overrides = {"cluster_name": 7, "os": "windows", "region": "mars", "name": "1x"}
    registry = {"trusted_accounts": ["999888777666", 12345678901], "ulr": "x"}
    sources = [{"type": "local", "priority": 1}, {"type": "organization", "priority": 1}]
    found = problems_of(path, overrides=overrides, registry=registry, snapshot_sources=sources)
    assert list(found) == [
        "extra variable name",
        "extra variable cluster_name",
        "extra variable os",
        "extra variable region",
        "variable registry.trusted_accounts[1]",
        "variable registry.ulr",
        "variable snapshot_sources[1].account",
        "variable snapshot_sources[1].priority",
    ]
    # What the file has at the same place is not shown.
    assert found["extra variable os"] == 'it is none of the known words ("windows")'
    assert problems_of(path, registry="docker.local") == {"variable registry": 'a text stands here ("docker.local")'}
    assert "overrides" in problems_of(path, overrides={"nmae": "x"})


def test_a_site_fills_what_the_seeds_registry_leaves_open(path: Path) -> None:
    site = {"url": "https://site.example.org/r", "trusted_accounts": [999888777666], "use_public_snapshots": True}
    whole = {"url": site["url"], "trusted_accounts": ["999888777666"], "use_public_snapshots": True}
    assert describe(path, registry=site)["seed"]["registry"] == whole
    path.write_text(SEED + 'registry: {trusted_accounts: ["111122223333"]}\n')
    mixed = describe(path, registry=site)
    assert mixed["seed"]["registry"] == {**whole, "trusted_accounts": ["111122223333"]}
    assert mixed["fingerprint"] == describe(path)["fingerprint"]


def test_json_on_the_command_line(path: Path) -> None:
    """`-e snapshot_sources='[…]'` is a text for Ansible."""
    sources = '[{"type": "organization", "priority": 5, "account": 123456789012}]'
    info = describe(path, snapshot_sources=sources, registry='{"url": "lab/petal-snapshots"}')
    assert info["seed"]["snapshot_sources"][0]["account"] == "123456789012"
    assert info["seed"]["registry"]["url"] == "https://raw.githubusercontent.com/lab/petal-snapshots/main"
    assert problems_of(path, registry="{") == {"variable registry": 'a text stands here ("{")'}


@pytest.mark.parametrize("text", ["- a", "cluster: []", "cluster: x", "registry: [x]\ncluster: {name: x}"])
def test_a_seed_of_another_shape_is_its_own_error(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(SeedError) as caught:
        describe(path, overrides={"os": "rocky9"}, registry={"url": "a/b"}, snapshot_sources=[])
    assert any(problem.line for problem in caught.value.problems)


def test_the_host_gives_the_defaults(path: Path) -> None:
    path.write_text("cluster: {name: x}")
    info = describe(path, host_os="ubuntu2404", host_architecture="aarch64")
    assert (info["seed"]["cluster"]["os"], info["seed"]["cluster"]["architecture"]) == ("ubuntu2404", "arm64")


def test_relative_paths(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    playbooks = path.parent / "playbooks"
    playbooks.mkdir()
    (playbooks / "beside.yaml").touch()
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("NAME", "seed")
    assert seed_info.find_seed("seed.yaml", str(playbooks)) == "seed.yaml"
    assert seed_info.find_seed("beside.yaml", str(playbooks)) == str(playbooks / "beside.yaml")
    assert seed_info.find_seed("neither.yaml", str(playbooks)) == "neither.yaml"
    assert seed_info.find_seed("~/seed.yaml", str(playbooks)) == str(path)
    assert seed_info.find_seed("$NAME.yaml", str(playbooks)) == "$NAME.yaml"
    with pytest.raises(SeedError, match="no seed is named"):
        seed_info.find_seed(" ", str(playbooks))


@pytest.mark.parametrize(("given", "spot"), [("true", False), (True, False), ("False", True), ("", None)])
def test_what_builds_comes_in_place_of_the_seeds_own_and_decides_no_bytes(path: Path, given: Any, spot: Any) -> None:
    own = describe(path)
    info = describe(path, overrides={"build_instance": "c5.24xlarge", "on_demand": given})
    build = info["seed"]["software"]["build"]
    assert build["instance_type"] == "c5.24xlarge"
    assert build["spot"] == (own["seed"]["software"]["build"]["spot"] if spot is None else spot)
    assert info["fingerprint"] == own["fingerprint"]
    assert "-e build_instance=c5.24xlarge" in info["arguments"]


def test_what_builds_is_checked_as_if_it_stood_in_the_seed(path: Path) -> None:
    found = problems_of(path, overrides={"build_instance": "large", "on_demand": "perhaps"})
    assert list(found) == ["extra variable build_instance", "extra variable on_demand"]


def test_a_text_is_the_seed_that_its_file_would_be(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(path.parent / "my cache"))
    of_file = describe(path)
    given = seed_info.describe({"path": SEED}, "/", {"store": "/srv"})
    assert (given["fingerprint"], given["seed"]) == (of_file["fingerprint"], of_file["seed"])
    assert (given["plan"]["seed_file"], of_file["plan"]["seed_file"]) == ("", str(path))
    (kept,) = (path.parent / "my cache" / "petal" / "seeds").iterdir()
    assert kept.read_text() == SEED
    assert given["arguments"] == f"""-e '{{"seed": "{kept}"}}' -e store=/srv"""
    # As the command says it.
    again = seed_info.describe({"path": str(kept)}, "/", {"store": "/srv"})
    assert (again["fingerprint"], again["seed_file"]) == (of_file["fingerprint"], "")
    assert again["arguments"] == given["arguments"]


@pytest.mark.parametrize("job", ["awx_job_id", "tower_job_id"])
def test_what_a_job_leaves_is_no_file(path: Path, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(path.parent))
    found = seed_info.describe({"path": SEED, "overrides": {"name": "b"}}, "/", {job: 7})
    assert found["arguments"] == """-e '{"seed": "<the same text>"}' -e name=b"""
    assert not (path.parent / "petal").exists()
    (path.parent / "petal").write_text("in the way")
    assert "<the same text>" in seed_info.describe({"path": SEED}, "/")["arguments"]


def test_what_is_wrong_with_a_text_has_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(path.parent))

    def said(text: Any) -> str:
        with pytest.raises(SeedError) as caught:
            seed_info.describe({"path": text}, "/")
        return str(caught.value)

    label = "seed (the text that was given): "
    assert said("cluster: {name: x}\nsoftwear: {}\n").startswith(f"{label}softwear (line 2): this key is unknown")
    assert said("cluster: {name: x}\ncluster: [\n").startswith(f"{label}line 3, column 1: this is no valid YAML")
    assert said("a: b\nc: \ud800\n").startswith(f"{label}line 2: it is not UTF-8 text")
    assert said("# nothing\n# at all\n").startswith(f"{label}it is empty")
    assert said("# x\n" * 1024 * 1024).startswith(f"{label}it is larger than 1024 KiB")
    assert "this is no name of a cluster" in said("cluster:\n  name: \"{{ lookup('env', 'HOME') }}\"\n")
    assert "this is a line of a seed" in said("cluster: {name: x}")
    assert "-e @FILE with seed: |" in said("cluster:")
    assert said({"cluster": {"name": "x"}}).startswith("seed: it is a mapping. Expected one text")
    assert said(["x"]).startswith("seed: it is a list.")
    assert "no seed is named" in said(" \n ")
    assert "no seed is named" in said(None)
    assert not (path.parent / "petal").exists()


def test_what_a_text_names_lies_where_the_playbook_was_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = path.parent / "project"
    (project / "site").mkdir(parents=True)
    (project / "site" / "tool-1.0.lua").write_text("help([[tool]])\n")
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CACHE_HOME", str(path.parent))
    text = SEED.replace("software:", "software:\n  modules: [site/tool-1.0.lua]")
    (project / "seed.yaml").write_text(text)
    own = seed_info.describe({"path": "seed.yaml"}, "/")
    given = seed_info.describe({"path": text}, "/")
    (kept,) = (path.parent / "petal" / "seeds").iterdir()
    assert own["fingerprint"] == given["fingerprint"] == seed_info.describe({"path": str(kept)}, "/")["fingerprint"]
    with pytest.raises(SeedError, match="files of a seed lie beside it or below"):
        seed_info.describe({"path": text.replace("site/", "../site/")}, "/")
    (project / "site" / "tool-2.lua").symlink_to("/etc/passwd")
    with pytest.raises(SeedError, match=rf"it is looked for in {project}"):
        seed_info.describe({"path": text.replace("1.0", "2")}, "/")


def test_an_inventory_that_was_named_is_named_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    usual = ["/etc/ansible/hosts"]
    named = [str(path.parent / "my hosts.ini"), "/srv/site", "one,two"]
    again = seed_info.named_inventories(named, usual, ["seed"])
    assert again == ["my hosts.ini", "/srv/site", "one,two"]
    said = seed_info.describe({"path": "seed.yaml"}, "/", {}, again)["plan"]["seed_arguments"]
    assert said == "-e seed=seed.yaml -i 'my hosts.ini' -i /srv/site -i one,two"
    assert seed_info.named_inventories(usual, usual, ["seed"]) == []
    assert seed_info.named_inventories(named, usual, ["awx_job_id"]) == []
    assert seed_info.named_inventories(None, usual, []) == []


HYBRID = """\
cluster: {name: bio, region: us-east-1, os: ubuntu2204}
compute: {head_node: t3.xlarge, queues: [{name: q, instance_types: [c5.large]}]}
software: {in_ami: [cmake@3.24], spack_packages: [zlib@1.3.1]}
"""


def test_a_hybrid_seed_has_two_parts(path: Path) -> None:
    path.write_text(HYBRID)
    volume, image = describe(path), describe(path, overrides={"part": "ami"})
    assert volume["plan"]["hybrid"]["plan"] == image["plan"]
    assert volume["fingerprint"] != image["fingerprint"]
    assert volume["fingerprint_input"]["spack"]["image"] == image["fingerprint"]
    assert (image["name"], image["software_volume"]["mount_dir"]) == ("bio-image", "/shared-image")
    assert image["seed"]["software"]["spack_packages"] == ["cmake@3.24"]
    assert image["arguments"].endswith("-e part=ami") and "-e part" not in volume["arguments"]
    assert image["hybrid"] == {}
    named = {"name": "base"}
    volume, image = describe(path, overrides=named), describe(path, overrides={**named, "part": "ami"})
    assert (volume["name"], image["name"]) == ("base", "base-image")
    assert volume["plan"]["hybrid"]["plan"] == image["plan"]


def test_what_several_packages_provide_is_in_no_image(path: Path) -> None:
    path.write_text(HYBRID.replace("[cmake@3.24]", "[mpi]"))
    with pytest.raises(SeedError, match=r"software\.in_ami\[0\].*mpi is no package but what several provide"):
        describe(path)


def test_a_part_that_there_is_not(path: Path) -> None:
    assert describe(path, overrides={"part": "ami"})["fingerprint"] == describe(path)["fingerprint"]
    assert "-e part" not in describe(path, overrides={"part": "ami"})["arguments"]
    with pytest.raises(SeedError, match="extra variable part: a seed has no such part"):
        describe(path, overrides={"part": "root"})
    with pytest.raises(SeedError, match=r"extra variable part: .*software\.in_ami.*all of it is one part"):
        seed_info.describe({"path": str(path), "overrides": {"part": "ami"}}, "/", {"part": "ami"})
    seed_info.describe({"path": str(path), "overrides": {"part": "volume"}}, "/", {"part": "volume"})
    path.write_text(HYBRID.replace("{head_node", "{custom_ami: ami-0123456789abcdef0, head_node"))
    named = describe(path)["plan"]["hybrid"]
    assert (named["ami"], named["plan"]) == ("ami-0123456789abcdef0", None)
    with pytest.raises(SeedError, match=r"compute\.custom_ami.*there is none to build"):
        describe(path, overrides={"part": "ami"})


@pytest.mark.parametrize(
    ("cluster", "decides"),
    [
        ("provider: local", True),
        ("provider: local, os: debian12", True),
        ("provider: local, os: debian12, architecture: x86_64", False),
        ("region: eu-west-1", False),
    ],
)
def test_the_build_host_decides_what_a_local_seed_leaves_open(tmp_path: Path, cluster: str, decides: bool) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(f"cluster: {{name: bio, {cluster}}}\nsoftware: {{spack_packages: [zlib]}}\n")
    assert describe(path)["host_decides"] is decides


def test_nothing_is_shown_of_a_file_that_is_no_seed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SeedError) as caught:
        describe(path)
    said = "\n".join(line for problem in caught.value.problems for line in problem.to_lines())
    assert "a text stands here" in said
    assert "c2VjcmV0" not in said
