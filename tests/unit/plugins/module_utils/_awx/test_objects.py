"""What is made on AWX, in which order."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._awx.objects import (
    KINDS,
    LINKS,
    UNIFIED,
    Step,
    There,
    as_shown,
    references,
    steps,
)

WORKFLOW: dict[str, Any] = {
    "name": "w",
    "organization": "o",
    "simplified_workflow_nodes": [
        {"identifier": "a", "unified_job_template": "t", "success_nodes": ["b"]},
        {"identifier": "b", "approval_node": {"name": "Yes?"}},
        {"identifier": "c", "state": "absent", "unified_job_template": "t"},
    ],
}


def made(*nodes: str) -> list[Step]:
    return list(steps({"controller_workflows": [WORKFLOW], "aap_organizations": [{"name": "o"}]}, nodes))


def test_an_object_comes_behind_those_of_kinds_that_it_may_need() -> None:
    assert [step.what for step in made()][:2] == ["organization o", "workflow w"]


def test_nodes_are_made_first_and_led_to_one_another_then() -> None:
    nodes = [step for step in made() if step.kind.what == "node"]
    assert [step.key for step in nodes] == ["w/a", "w/b", "w/a", "w/b"]
    assert not any(link in step.arguments for step in nodes[:2] for link in LINKS)
    assert nodes[2].arguments["success_nodes"] == ["b"]
    assert nodes[2].arguments["always_nodes"] == []


def test_an_approval_never_comes_with_links() -> None:
    """awx.awx would look for them at the approval's own address."""
    assert not any("approval_node" in step.arguments and set(LINKS) & set(step.arguments) for step in made())


def test_a_node_that_the_data_has_not_is_taken_away_before_the_others_are_led_to_one_another() -> None:
    nodes = [step for step in made("w/a", "w/c", "w/old", "v/other") if step.kind.what == "node"]
    assert [(step.key, step.gone) for step in nodes][2:4] == [("w/c", True), ("w/old", True)]
    assert not any(step.key.startswith("v/") for step in nodes)


def test_nodes_of_a_workflow_that_goes_are_not_touched() -> None:
    gone = {**WORKFLOW, "state": "absent"}
    assert [step.what for step in steps({"controller_workflows": [gone]}, ["w/a"])] == ["workflow w"]


def test_what_an_object_names_is_what_it_needs() -> None:
    named = references({"organization": "o", "credentials": ["x", "y"], "inventory": None, "playbook": "p.yml"})
    assert named == (("organizations", "o"), ("credentials", "x"), ("credentials", "y"))


def test_what_is_missing_is_called_by_its_kind() -> None:
    there, step = There(), made()[1]
    assert there.missing(step) == ["organization o"]
    there.add("organizations", ["o"])
    assert there.missing(step) == []
    assert not there.has(step)


def test_jobs_run_from_whatever_is_of_a_kind_that_they_run_from() -> None:
    there = There()
    there.add("job_templates", ["t"])
    node = next(step for step in made() if step.key == "w/a")
    assert there.missing(node) == ["template w"]
    there.add("workflow_job_templates", ["w"])
    assert there.missing(node) == []


def test_an_id_stands_for_itself() -> None:
    assert There().missing(Step(KINDS[0], "o", {}, ((UNIFIED, "42"),))) == []


def test_what_is_secret_is_not_in_the_text_of_a_step() -> None:
    assert "hush" not in repr(Step(KINDS[2], "c", {"inputs": {"ssh_key_data": "hush"}}))


def test_a_notification_is_as_it_should_be_as_far_as_awx_shows_it() -> None:
    told = {"name": "n", "description": "", "notification_configuration": {"url": "https://chat", "token": "hush"}}
    shown = {
        "description": "",
        "notification_configuration": {"url": "https://chat", "token": "$encrypted$", "more": 0},
    }
    step = Step(KINDS[4], "n", told)
    assert as_shown(step, shown)
    assert not as_shown(step, {})
    assert not as_shown(step, {**shown, "description": "another"})
    assert not as_shown(step, {**shown, "notification_configuration": {"url": "https://other", "token": "$encrypted$"}})


def test_of_all_others_awx_itself_tells() -> None:
    assert not as_shown(Step(KINDS[0], "o", {"name": "o"}), {"name": "o"})
