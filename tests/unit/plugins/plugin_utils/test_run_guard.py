"""What the guard says of a run, and that its action and its documentation name the same options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.modules import run_guard as documentation
from ansible_collections.petal.hpc.plugins.plugin_utils.run_guard import (
    ARGUMENTS,
    bound_variables,
    known_variables,
    look,
)

RUN: dict[str, Any] = {"ansible_play_hosts_all": ["localhost", "h"], "groups": {"head": ["h"]}, "hostvars": {}}
GIVEN: dict[str, Any] = {"groups": ["head"], "hosts": ["localhost"], "paths": {"store": "/srv/petal"}}


def arguments_of(options: dict[str, Any]) -> dict[str, Any]:
    """What documented options are as arguments."""
    keys = ("type", "required", "elements", "choices", "default")
    found = {name: {key: option[key] for key in keys if key in option} for name, option in options.items()}
    for name, option in options.items():
        if "suboptions" in option:
            found[name]["options"] = arguments_of(option["suboptions"])
    return found


def test_documentation_and_arguments_agree() -> None:
    assert arguments_of(yaml.safe_load(documentation.DOCUMENTATION)["options"]) == ARGUMENTS


def test_a_good_run_passes_and_its_hosts_are_returned() -> None:
    assert look(GIVEN, ["seed", "store", "awx_job_id"], RUN) == {"hosts": ["localhost", "h"], "warnings": []}
    assert "mine" in look(GIVEN, ["mine"], RUN)["warnings"][0]


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = {**GIVEN, "paths": {"store": "relative"}}
    with pytest.raises(PetalError) as raised:
        look(wrong, ["stroe"], {**RUN, "ansible_play_hosts_all": ["h"]})
    for text in ("did you mean store?", "store is 'relative', and must be an absolute path", "localhost is not among"):
        assert text in str(raised.value)


def test_a_seed_that_can_be_none_is_refused() -> None:
    with pytest.raises(PetalError, match=r"^seed: it is a mapping\. Expected one text"):
        look(GIVEN, ["seed"], {**RUN, "seed": {"cluster": {"name": "a"}}})
    assert look(GIVEN, ["seed"], {**RUN, "seed": "cluster:\n  name: a\n"})["warnings"] == []
    # Of an inventory, where it is another thing, and of a playbook that takes none.
    assert look(GIVEN, [], {**RUN, "seed": {}})["warnings"] == []


def test_variables_of_roles_that_would_do_nothing_are_refused() -> None:
    """A site says ``switch``, which the playbooks bind; and names of before 0.2 have another prefix now."""
    old = "software_volume_lock_ttl"
    hostvars = {"localhost": {"snapshots_store": "/srv/petal"}, "h": {"cluster_switch": "now", old: 60}}
    with pytest.raises(PetalError) as raised:
        look(GIVEN, ["software_volume_nfs_options"], {**RUN, "hostvars": hostvars})
    said = str(raised.value)
    assert "snapshots_store in the inventory does nothing, for the playbooks set it: say store instead." in said
    assert "cluster_switch in the inventory does nothing, for the playbooks set it: say switch instead." in said
    assert f"{old} is not read any more: say volume_build_lock_ttl instead." in said
    assert "software_volume_nfs_options is not read any more: say cluster_nfs_options instead." in said


def test_a_variable_of_a_role_may_be_an_extra_one() -> None:
    extra = {"snapshots_store": "/srv/petal"}
    assert look(GIVEN, extra, {**RUN, "hostvars": {"localhost": extra}})["warnings"] == []


def test_types_are_looked_at_before_anything_happens() -> None:
    hostvars = {"localhost": {}, "h": {"cluster_switch_poll": [1]}}
    given: dict[str, Any] = {
        "spack_jobs": "many",
        "lmod_method": "tar",
        "build_host_connection": "ssh",
        "spack_timeout": "{{ later }}",
    }
    given["build_key_store"] = None

    def template(value: Any) -> Any:
        if "{{" in str(value):
            raise ValueError(value)
        return value

    with pytest.raises(PetalError) as raised:
        look(GIVEN, [], {**RUN, "hostvars": hostvars, **given}, template)
    lines = str(raised.value).splitlines()
    assert len(lines) == 4
    assert lines.pop(0) == 'build_key_store: it is null. Leave its line out, or write "" or "ssm".'
    assert lines[0].startswith("lmod_method: value of lmod_method must be one of: package, source, spack")
    assert lines[1].startswith("spack_jobs: ")
    assert lines[2].startswith("h: cluster_switch_poll: ")


def test_what_the_playbooks_bind_is_read_from_them() -> None:
    found = bound_variables()
    assert found["cluster_switch"] == "switch"
    assert found["snapshots_seed_path"] == "seed"
    assert found["snapshots_share_public"] == "-e public=…"
    assert found["snapshots_provider"] == "-e provider=…"
    assert found["build_host_subnet_ids"] == "subnet_ids"
    assert not [name for name in found if name.startswith("petal_")]
    assert set(found) <= known_variables()


@pytest.mark.parametrize("path", ["/x", "~/x", "~petal/x", "$HOME/x"])
def test_what_becomes_an_absolute_path_is_one(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/petal")
    assert look({**GIVEN, "paths": {"store": path}}, [], RUN)["hosts"] == ["localhost", "h"]


def test_variables_are_read_from_the_roles(tmp_path: Path) -> None:
    (tmp_path / "r" / "defaults").mkdir(parents=True)
    (tmp_path / "r" / "defaults" / "main.yml").write_text("---\n# no: comment\nr_one: 1\nr_two:\n  inner: 2\n")
    assert {"r_one", "r_two", "seed"} <= known_variables(tmp_path)
    assert not {"no", "inner"} & known_variables(tmp_path)


JOB = ["awx_job_id", "awx_job_template_name"]
NO_STORE: dict[str, Any] = {
    "need": "own", "path": "/nowhere", "build_host": "", "provider": "local", "region": "", "seed": "", "others": [],
}  # fmt: skip


@pytest.mark.parametrize("need", ["own", "any"])
@pytest.mark.parametrize("extra", [JOB, ["tower_job_id"]])
@pytest.mark.parametrize("hostvars", [{}, {"localhost": {"ansible_connection": "local"}}])
def test_the_container_of_a_job_is_no_build_host(need: str, extra: list[str], hostvars: dict[str, Any]) -> None:
    with pytest.raises(PetalError) as raised:
        look({**GIVEN, "own_store": {**NO_STORE, "need": need}}, extra, {**RUN, "hostvars": hostvars})
    assert "There is no store at /nowhere on localhost, which is the container of this AWX job" in str(raised.value)
    assert "-e build_host=HOST" in str(raised.value)


@pytest.mark.parametrize(
    ("asked", "extra", "hostvars"),
    [
        ({}, ["seed"], {}),
        ({"need": ""}, JOB, {}),
        ({"build_host": "builder"}, JOB, {}),
        ({"path": "/usr"}, JOB, {}),
        ({"provider": "aws"}, JOB, {}),
        ({"need": "any", "others": ["s3://bucket/prefix"]}, JOB, {}),
        ({}, JOB, {"localhost": {"ansible_connection": "ssh"}}),
    ],
)
def test_a_job_with_a_store_or_without_need_of_one_passes(
    asked: dict[str, Any], extra: list[str], hostvars: dict[str, Any]
) -> None:
    look({**GIVEN, "own_store": {**NO_STORE, **asked}}, extra, {**RUN, "hostvars": hostvars})


@pytest.mark.parametrize(
    ("seed", "region", "passes"),
    [
        ("cluster: {name: a, provider: local}", "", False),
        ("cluster: {name: a}", "", False),
        ("cluster: {name: a, region: us-east-1}", "", True),
        ("cluster: {name: a}", "us-east-1", True),
        ("cluster: {name: a, provider: aws}", "", True),
        # Whoever reads it says so.
        ("cluster: [", "", True),
        ("[]", "", False),
    ],
)
def test_a_seed_says_for_which_provider_it_is(tmp_path: Path, seed: str, region: str, passes: bool) -> None:
    (tmp_path / "seed.yaml").write_text(seed)
    asked = {**NO_STORE, "seed": str(tmp_path / "seed.yaml"), "region": region}
    if passes:
        look({**GIVEN, "own_store": asked}, JOB, RUN)
    else:
        with pytest.raises(PetalError, match="There is no store at /nowhere"):
            look({**GIVEN, "own_store": asked}, JOB, RUN)


def test_an_inventory_without_a_head_is_refused_for_a_local_cluster_alone() -> None:
    run = {**RUN, "groups": {"head": [], "compute": ["h"]}}
    with pytest.raises(PetalError, match="group head has 0 hosts"):
        look({**GIVEN, "own_store": NO_STORE}, [], run)
    look({**GIVEN, "own_store": {**NO_STORE, "provider": "aws"}}, [], run)
    # A cluster that is one host, and nobody says which.
    alone = {**RUN, "groups": {}, "ansible_play_hosts_all": ["localhost"]}
    nothing = {**NO_STORE, "need": ""}
    look({**GIVEN, "own_store": nothing}, [], alone)
    look({**GIVEN, "own_store": {**nothing, "build_host": "localhost"}}, JOB, alone)
    with pytest.raises(PetalError, match="container of this AWX job"):
        look({**GIVEN, "own_store": nothing}, JOB, alone)
