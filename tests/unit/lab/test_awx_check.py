"""What would be made on AWX is looked at, and what is wrong in it is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awx_check
import pytest
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._awx import rules

Made = dict[str, list[dict[str, Any]]]
BUNDLED = (ROOT / ".collections" / "ansible_collections" / "awx" / "awx" / "plugins").is_dir()
needs_awx = pytest.mark.skipif(not BUNDLED, reason="awx.awx is not unpacked; make setup-dev does it")


@pytest.fixture(scope="module")
def plain() -> Made:
    return awx_check.configuration(awx_check.SAYS_NOTHING)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Made:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n", encoding="utf-8")
    return awx_check.configuration(awx_check.says_all(key))


def test_nothing_is_wrong_with_what_is_made_for_any_site(plain: Made, full: Made) -> None:
    for made in (plain, full):
        assert [*rules.wrong(made), *awx_check.unrenderable(made), *awx_check.unfitting(made)] == []


@needs_awx
def test_the_modules_of_awx_take_all_of_it(plain: Made, full: Made) -> None:
    assert [*awx_check.refused(plain), *awx_check.refused(full)] == []


def test_each_playbook_has_a_template_and_each_template_a_survey(plain: Made) -> None:
    assert awx_check.figures(plain) == {"templates": 24, "surveys": 25, "workflows": 3}
    assert len(awx_check.playbooks()) == 24


def test_what_the_build_hands_on_is_what_is_deployed(plain: Made) -> None:
    deploy = next(one for one in plain["controller_templates"] if one["playbook"] == "deploy_cluster.yml")
    assert "petal_snapshot" in deploy["extra_vars"]["snapshot_id"]
    assert "snapshot_id" not in {question["variable"] for question in deploy["survey_spec"]["spec"]}


def test_a_site_says_what_it_wants(full: Made) -> None:
    workflow, nightly, push = full["controller_workflows"]
    nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
    assert nodes["approve"]["state"] == "absent"
    assert nodes["build"]["success_nodes"] == ["deploy"]
    data = {node["identifier"]: node["extra_data"] for node in nightly["simplified_workflow_nodes"]}
    assert data["cleanup"] == {"provider": "aws", "region": "eu-west-1", "keep_last": 3}
    assert data["registry"]["seed"] == "seeds/bio.yaml"
    assert (push["state"], push["webhook_service"]) == ("present", "gitlab")
    assert {node["extra_data"]["seed"] for node in push["simplified_workflow_nodes"]} == {"seeds/bio.yaml"}
    assert full["controller_credentials"][0]["inputs"]["ssh_key_data"].endswith("KEY-----\n")
    assert all(one["credentials"] == ["aws", "petal.hpc nodes"] for one in full["controller_templates"])
    assert all(one["notification_templates_error"] == ["chat"] for one in full["controller_templates"])


def asks(variable: str, **more: Any) -> dict[str, Any]:
    return {"question_name": "?", "variable": variable, "type": "text", "required": False, **more}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(playbook="nothing.yml"), "there is no such playbook"),
        (lambda one: one.update(playbook="guard.yml"), "there is no such playbook"),
        (lambda one: one.update(name="validate"), "is called validate"),
        (lambda one: one["survey_spec"]["spec"].append(asks("store")), "asks for store"),
        (lambda one: one["survey_spec"]["spec"].append(asks("colour")), "asks for colour"),
        (lambda one: one["survey_spec"]["spec"].append(asks("tier", required=True)), "cannot be started without tier"),
        (lambda one: one["survey_spec"]["spec"].append(asks("tier", default="ami")), "has a default for tier"),
    ],
)
def test_what_does_not_fit_is_found(plain: Made, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    made = copy.deepcopy(plain)
    change(made["controller_templates"][0])
    assert any(words in sentence for sentence in awx_check.unfitting(made))


@needs_awx
@pytest.mark.parametrize("change", [{"colour": "red"}, {"job_type": "scan"}, {"survey_spec": "no"}])
def test_what_a_module_does_not_take_is_found(plain: Made, change: dict[str, Any]) -> None:
    made = copy.deepcopy(plain)
    made["controller_templates"][0].update(change)
    (sentence,) = awx_check.refused(made)
    assert sentence.startswith("job template petal.hpc validate_seed: ")


def test_an_injector_that_uses_no_field_is_found(plain: Made) -> None:
    made = copy.deepcopy(plain)
    made["controller_credential_types"][0]["injectors"]["extra_vars"] = {"x": "{{ other }}"}
    (sentence,) = awx_check.unrenderable(made)
    assert "'other' is undefined" in sentence


def test_what_a_survey_asks_for_stands_in_the_playbook_too(plain: Made) -> None:
    for one in plain["controller_templates"]:
        text = Path(awx_check.PLAYBOOKS, one["playbook"]).read_text(encoding="utf-8")
        comments = [line for line in text.splitlines() if line.startswith("#")]
        for question in one["survey_spec"]["spec"]:
            variable = question["variable"]
            # What comes in place of a seed's own is that of validate_seed everywhere.
            known = variable == "cluster_name" or any(f"-e {variable}=" in line for line in comments)
            assert known, (one["playbook"], variable)
