"""awx_setup, by the real modules of awx.awx, on AWX's API: made once, then as it should be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awx_check
import pytest
from awx_server import Controller, serving
from playing import ROOT, Run, command, environment

pytestmark = pytest.mark.skipif(
    not (ROOT / ".collections/ansible_collections/awx/awx/plugins").is_dir(),
    reason="awx.awx is not unpacked; make setup-dev does it",
)
SECRET = "aHVzaC1odXNoLXNheXMtdGhlLWtleQ"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"


class Site:
    """One AWX, and a site that sets it up."""

    def __init__(self, controller: Controller, address: str, key: Path) -> None:
        self.controller = controller
        self.says: dict[str, Any] = {**awx_check.SAYS_NOTHING, "petal_awx_machine_key_file": str(key)}
        self.environment = {
            "CONTROLLER_HOST": address,
            "CONTROLLER_USERNAME": controller.username,
            "CONTROLLER_PASSWORD": controller.password,
        }

    def set_up(self, *arguments: str, **more: str) -> Run:
        argv = [*command("awx_setup", "-vv", *arguments), "-e", json.dumps({**self.says, **more})]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env=environment(**self.environment, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            check=False,
        )
        assert self.controller.password not in done.stdout
        assert SECRET not in done.stdout
        return Run(done.returncode, done.stdout)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    key = tmp_path / "key"
    key.write_text(KEY, encoding="utf-8")
    controller = Controller(frozenset(path.name for path in (ROOT / "playbooks").glob("*.yml")))
    with serving(controller) as address:
        yield Site(controller, address, key)


def same(wanted: Any, found: Any) -> bool:
    """Whether the API shows what the data says: names there are ids here, which are not compared."""
    return bool(wanted == found or (isinstance(wanted, dict) and found == json.dumps(wanted)))


def test_awx_has_what_the_data_says_after_the_first_run_and_the_second_one_changes_nothing(site: Site) -> None:
    site.says["petal_awx_project_url"] = "https://git.example.org/hpc/site.git"
    site.says["petal_awx_push_seed"] = "seeds/bio.yaml"
    planned = site.set_up("--check")
    assert planned.rc == 0, planned.output
    assert site.controller.writes == []
    assert "make job template petal.hpc build_volume" in planned.output

    first = site.set_up()
    assert first.rc == 0, first.output
    assert "46 objects of AWX are as they should be; 46 had to be changed." in first.output
    wanted = awx_check.configuration(site.says)
    there = site.controller.named("job_templates")
    assert set(there) == {one["name"] for one in wanted["controller_templates"]}
    plain = ("description", "playbook", "job_type", "extra_vars", "survey_enabled", "ask_job_type_on_launch")
    for one in wanted["controller_templates"]:
        found = there[one["name"]]
        assert all(same(one[key], found[key]) for key in plain), (one, found)
        assert site.controller.surveys[found["id"]] == one["survey_spec"]
        assert len(site.controller.links[found["id"], "credentials"]) == 1
    (nodes,) = [one for one in site.controller.named("credentials").values() if one["name"] == "petal.hpc nodes"]
    assert nodes["inputs"] == {"username": "root", "ssh_key_data": "$encrypted$"}
    assert site.controller.hidden[nodes["id"]] == {"ssh_key_data": KEY}
    types = site.controller.named("credential_types")
    for one in wanted["controller_credential_types"]:
        assert types[one["name"]]["injectors"] == one["injectors"]

    written = len(site.controller.writes)
    second = site.set_up()
    assert second.rc == 0, second.output
    assert "none had to be changed" in second.output, second.output
    assert "changed=0" in second.output
    assert site.controller.writes[written:] == []

    # A site that wants no approval any more: the node goes, and what led to it leads on. And none of its pushes built.
    pushed = site.controller.named("workflow_job_templates")["petal.hpc on push"]
    assert pushed["webhook_service"] == "github"
    del site.says["petal_awx_push_seed"]
    third = site.set_up(petal_awx_approval="false")
    assert "take away node petal.hpc build and deploy/approve: done" in third.output
    assert "take away workflow petal.hpc on push: done" in third.output
    assert "petal.hpc on push" not in site.controller.named("workflow_job_templates")
    nodes_now = site.controller.named("workflow_job_template_nodes")
    assert "approve" not in nodes_now
    assert site.controller.links[nodes_now["build"]["id"], "success_nodes"] == [nodes_now["deploy"]["id"]]


def test_what_is_missing_or_wrong_is_said_before_anything_is_made(site: Site) -> None:
    wanting = site.set_up("-e", json.dumps({"petal_awx_credentials": ["nobody's"]}))
    assert "needs credential nobody's, which AWX does not have" in wanting.output
    answered = site.set_up("-e", json.dumps({"petal_awx_extra_vars": {"seed": "seeds/bio.yaml"}}))
    assert "asks for seed, which the template's extra_vars say" in answered.output
    unknown = site.set_up("-e", json.dumps({"petal_awx_projekt": "x"}))
    assert "petal_awx_projekt: there is no such variable" in unknown.output
    keyless = site.set_up(petal_awx_machine_key_file="~/nobody's")
    assert "petal_awx_machine_key_file is ~/nobody's, and there is no such file here" in keyless.output
    del site.says["petal_awx_project_url"]
    assert "controller_projects, petal.hpc: nothing says where it is (scm_url)" in site.set_up().output
    assert site.controller.writes == []


def test_without_the_collection_it_is_said_how_to_install_it(site: Site, tmp_path: Path) -> None:
    collections = tmp_path / "ansible_collections" / "petal"
    collections.mkdir(parents=True)
    (collections / "hpc").symlink_to(ROOT)
    # Collections are Python packages too.
    site.environment |= {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "PYTHONPATH": ""}
    done = site.set_up()
    assert "awx_setup needs the collection awx.awx, which is not installed" in done.output
    assert site.controller.writes == []
