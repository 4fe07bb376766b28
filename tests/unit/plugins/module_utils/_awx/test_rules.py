"""What AWX would refuse, or take and do something else with."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._awx.rules import credential_type, survey, workflow, wrong

SEED: dict[str, Any] = {"question_name": "Seed", "variable": "seed", "type": "textarea", "required": True}
CHOICE: dict[str, Any] = {
    "question_name": "Tier",
    "variable": "tier",
    "type": "multiplechoice",
    "required": False,
    "choices": ["auto", "volume"],
}


def about(*questions: Any, **extra_vars: Any) -> list[str]:
    return list(survey({"name": "", "description": "", "spec": list(questions)}, extra_vars))


def test_a_survey_may_ask_for_a_text_and_for_one_of_several() -> None:
    assert about(SEED, CHOICE, {**CHOICE, "variable": "other", "choices": "auto\nvolume", "default": "auto"}) == []


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({**SEED, "default": "seeds/bio.yaml"}, "required and has a default"),
        ({**SEED, "variable": "my seed"}, "none that Ansible takes"),
        ({**SEED, "variable": "1st"}, "none that Ansible takes"),
        ({**SEED, "variable": None}, "its variable is None"),
        ({**SEED, "required": "yes"}, "required is 'yes'"),
        ({**SEED, "type": "file"}, "there is no type 'file'"),
        ({**SEED, "min": "1"}, "its min is '1'"),
        ({**CHOICE, "choices": []}, "its choices are []"),
        ({**CHOICE, "choices": [True, False]}, "its choices are [True, False]"),
        ({**CHOICE, "default": "ami"}, "'ami' is none of its choices, auto, volume"),
        ({**SEED, "required": False, "type": "integer", "default": "7"}, "'7' is no integer"),
        ({**SEED, "required": False, "type": "integer", "default": True}, "True is no integer"),
        ("seed", "question 1 is 'seed'"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(question: Any, words: str) -> None:
    (sentence,) = about(question)
    assert words in sentence


def test_a_variable_is_asked_for_once_and_not_when_the_template_says_it() -> None:
    assert about(SEED, SEED) == ["two questions ask for seed."]
    (sentence,) = about(SEED, seed="seeds/bio.yaml")
    assert "which the template's extra_vars say" in sentence


@pytest.mark.parametrize("spec", [None, [], {}])
def test_a_survey_without_questions_is_none(spec: Any) -> None:
    assert "no questions" in next(survey({"name": "", "description": "", "spec": spec}, {}))


def test_a_survey_has_a_name_and_a_description() -> None:
    found = list(survey({"spec": [SEED]}, {}))
    assert [sentence[:20] for sentence in found] == ["the survey's name is", "the survey's descrip"]
    assert "must be a mapping" in next(survey("no", {}))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"id": "key", "label": "Key", "format": ""}, "its format is ''"),
        ({"id": "tower", "label": "Key"}, "not tower"),
        ({"id": "my key", "label": "Key"}, "its id must be"),
        ({"id": "key"}, "it has no label"),
        ({"id": "key", "label": "Key", "type": "int"}, "its type is 'int'"),
        ({"id": "key", "label": "Key", "type": "boolean", "secret": True}, "a boolean has no secret"),
        ({"id": "key", "label": "Key", "hidden": True}, "there is no key 'hidden'"),
    ],
)
def test_what_is_wrong_with_a_field_is_said(field: dict[str, Any], words: str) -> None:
    (sentence,) = credential_type({"inputs": {"fields": [field]}})
    assert words in sentence


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"inputs": {"needed": []}}, "inputs has no 'needed'"),
        ({"inputs": {"required": ["key"]}}, "key is required, and there is no such field"),
        ({"injectors": {"files": {}}}, "there is no injector 'files'"),
        ({"injectors": {"file": {"key": ""}}}, "must be called template"),
        ({"injectors": {"file": {"template": "", "template.a": ""}}}, "each needs a name"),
        ({"injectors": {"env": {"ANSIBLE_CONFIG": "x"}}}, "none that AWX sets"),
        ({"inputs": {"fields": [{"id": "a", "label": "A"}, {"id": "a", "label": "B"}]}}, "two fields are called a"),
    ],
)
def test_what_is_wrong_with_a_credential_type_is_said(one: dict[str, Any], words: str) -> None:
    (sentence,) = credential_type(one)
    assert words in sentence


def nodes(*given: dict[str, Any]) -> list[str]:
    return list(workflow({"simplified_workflow_nodes": given}))


def test_a_workflow_leads_somewhere() -> None:
    one = {"identifier": "a", "unified_job_template": "t"}
    assert nodes({**one, "success_nodes": ["b"]}, {"identifier": "b", "approval_node": {"name": "Yes?"}}) == []
    assert "names c, and there is no such node" in nodes({**one, "always_nodes": ["c"]})[0]
    assert "names b" in nodes({**one, "success_nodes": ["b"]}, {**one, "identifier": "b", "state": "absent"})[0]
    assert nodes(one, one) == ["two nodes are called a."]
    assert nodes({"unified_job_template": "t"}) == ["a node has no identifier."]
    assert "needs one of" in nodes({"identifier": "a"})[0]


def test_a_workflow_does_not_lead_back() -> None:
    one, other = ({"identifier": name, "unified_job_template": "t"} for name in "ab")
    found = nodes({**one, "success_nodes": ["b"]}, {**other, "failure_nodes": ["a"]})
    assert found == ["the node a leads back to itself.", "the node b leads back to itself."]


def test_webhooks_are_those_that_awx_knows() -> None:
    flow = {"name": "w", "webhook_service": "gitlab"}
    assert wrong({"controller_workflows": [flow]}) == []
    assert wrong({"controller_workflows": [{**flow, "webhook_service": "gitea"}]}) == [
        "controller_workflows, w: webhook_service is 'gitea', and must be github or gitlab."
    ]


def test_all_of_a_configuration_is_looked_at() -> None:
    asks_nothing = {"name": "t", "survey_enabled": True}
    asks_wrong = {"name": "u", "survey_spec": {"name": "", "description": "", "spec": [{**SEED, "default": "x"}]}}
    found = wrong(
        {
            "controller_templates": [asks_nothing, asks_wrong],
            "controller_credential_types": [{"name": "k", "injectors": {"envs": {}}}],
            "controller_projects": [{"name": "p", "scm_type": "git", "scm_url": ""}, {"name": "q"}],
            "controller_workflows": [{"name": "w", "simplified_workflow_nodes": [{"identifier": "a"}]}],
        }
    )
    assert [sentence.split(":")[0] for sentence in found] == [
        "controller_templates, t",
        "controller_templates, u",
        "controller_credential_types, k",
        "controller_projects, p",
        "controller_workflows, w",
    ]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({"name": "t"}, "must be a list of mappings"),
        ([{"playbook": "p.yml"}], "one has the name None"),
        ([{"name": ""}], "one has the name ''"),
        ([{"name": "t"}, {"name": "t"}], "two are called t"),
    ],
)
def test_every_object_has_a_name_of_its_own(objects: Any, words: str) -> None:
    (sentence,) = wrong({"controller_templates": objects})
    assert words in sentence


@pytest.mark.parametrize("name", [5, None, "  "])
def test_each_object_needs_a_text_for_its_name(name: object) -> None:
    (said,) = wrong({"aap_organizations": [{"name": name}]})
    assert f"one has the name {name!r}; each organization needs a text" in said
