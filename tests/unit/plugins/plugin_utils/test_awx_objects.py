"""Making objects of AWX, with modules that say what they were called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils import awx_objects

CONFIGURATION: dict[str, Any] = {
    "aap_organizations": [{"name": "o"}],
    "controller_workflows": [
        {
            "name": "w",
            "organization": "o",
            "simplified_workflow_nodes": [{"identifier": "a", "unified_job_template": "p"}],
        }
    ],
}


class Controller:
    """An AWX that has these objects, by endpoint, and whose modules change those that are named."""

    def __init__(self, changes: Sequence[str] = (), **there: Sequence[str]) -> None:
        self.there, self.changes, self.called = there, changes, list[tuple[str, str]]()

    def call(self, module: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = str(arguments.get("name") or arguments["identifier"])
        self.called.append((module, name))
        if name == "broken":
            return {"failed": True, "msg": "Unable to update", "response": {"json": {"name": ["is broken"]}}}
        return {"changed": name in self.changes}

    def ask(self, endpoint: str, _query: Mapping[str, Any]) -> list[dict[str, str]]:
        return [{"name": name, "identifier": name} for name in self.there.get(endpoint, ())]

    def make(self, configuration: Mapping[str, Any], check_mode: bool = False) -> dict[str, Any]:
        return awx_objects.make(configuration, self.call, self.ask, check_mode)


def test_everything_is_made_and_nothing_is_said_of_what_is_as_it_should_be() -> None:
    controller = Controller(["o", "a"], projects=["p"], workflow_job_templates=["w"])
    assert controller.make(CONFIGURATION) == {
        "changed": True,
        "objects": 3,
        "done": ["make organization o", "make node w/a"],
    }
    assert [name for _module, name in controller.called] == ["o", "w", "a", "a"]


def test_nothing_changes_where_all_is_there() -> None:
    controller = Controller(
        organizations=["o"], projects=["p"], workflow_job_templates=["w"], workflow_job_template_nodes=["a"]
    )
    assert controller.make(CONFIGURATION) == {"changed": False, "objects": 3, "done": []}


def test_check_mode_calls_for_nothing_that_is_not_there() -> None:
    controller = Controller(["w"], projects=["p"], workflow_job_templates=["w"])
    done = controller.make(CONFIGURATION, check_mode=True)["done"]
    assert done == ["make organization o", "change workflow w", "make node w/a"]
    assert controller.called == []


def test_a_node_that_is_no_more_in_the_data_goes() -> None:
    controller = Controller(
        ["old"],
        organizations=["o"],
        projects=["p"],
        workflow_job_templates=["w"],
        workflow_job_template_nodes=["a", "old"],
    )
    assert controller.make(CONFIGURATION, check_mode=True)["done"] == ["take away node w/old"]


def test_what_awx_does_not_have_is_said_before_anything_is_made() -> None:
    controller = Controller()
    with pytest.raises(PetalError, match="node w/a needs template p, which AWX does not have") as raised:
        controller.make(CONFIGURATION)
    assert "Nothing was changed" in str(raised.value)
    assert controller.called == []


def test_what_is_wrong_is_said_before_awx_is_asked() -> None:
    with pytest.raises(PetalError, match="two are called o"):
        Controller().make({"aap_organizations": [{"name": "o"}, {"name": "o"}]})


def test_an_error_names_the_object_and_what_awx_has_answered() -> None:
    with pytest.raises(PetalError, match=r"organization broken: Unable to update \(\{'name': \['is broken'\]\}\)"):
        Controller().make({"aap_organizations": [{"name": "broken"}]})


def test_the_look_up_is_asked_with_the_same_connection() -> None:
    given = {"controller_host": "https://awx.example.org", "validate_certs": False}
    assert awx_objects.look_up_options(given) == {"host": "https://awx.example.org", "verify_ssl": False}
    with pytest.raises(PetalError, match="awx_connection has no 'host'"):
        awx_objects.look_up_options({"host": "awx.example.org"})


def test_a_collection_that_is_not_there_is_named_with_how_to_install_it() -> None:
    with pytest.raises(PetalError, match=r"needs the collection awx\.nowhere.*collection install awx\.nowhere"):
        awx_objects.demand("awx.nowhere")
