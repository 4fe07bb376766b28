# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at all that awx/configuration.yml would make on AWX, and run the playbooks as AWX runs them.

Every object is given to the argument specification of the module of awx.awx that would make it; surveys, types of
credentials and workflows to AWX's rules for them; templates to the playbooks and variables that there are. It is looked
at as a site has it that says nothing, and one that says all it can. Ends with ``templates=N surveys=N workflows=N
invalid=0 runner_jobs=N ok=N secrets_seen=0``; the status is 0 where nothing is invalid, every job is green and nobody
has seen a secret.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.sandbox
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from playing import ANSIBLE_PLAYBOOK, ROOT, finished

from ansible_collections.petal.hpc.plugins.module_utils._awx import objects, rules
from ansible_collections.petal.hpc.plugins.module_utils._run.variables import EXTRA_VARIABLES

DATA = ROOT / "awx" / "configuration.yml"
PLAYBOOKS = ROOT / "playbooks"
MODULES = "ansible_collections.awx.awx.plugins.modules"
#: Parts of others, and what sets AWX up: nothing that a job template is for.
INTERNAL = frozenset(
    ["awx_setup", "build_source", "fill_ami", "guard", "install_volume", "replace_host", "use_software"]
)
#: What belongs to a site: an answer would beat what the template and the inventory say.
NEVER_ASKED = frozenset(["store", "build_host"])
#: What a playbook cannot do without, beside a seed.
REQUIRED = {
    "delete_volume": {"snapshot_id"},
    "copy_volume": {"regions"},
    "export_volume": {"file"},
    "import_volume": {"file"},
    "registry_submit": {"clone"},
}
SAYS_NOTHING = {"petal_awx_project_url": "https://git.example.org/site.git"}


def says_all(key: Path) -> dict[str, Any]:
    """What a site can say. key: a private key's file."""
    return {
        **SAYS_NOTHING,
        "petal_awx_organization": "HPC",
        "petal_awx_project": "site",
        "petal_awx_project_branch": "production",
        "petal_awx_project_credential": "git",
        "petal_awx_inventory": "clusters",
        "petal_awx_inventory_path": "clusters/inventory.yml",
        "petal_awx_environment": "petal",
        "petal_awx_image": "registry.example.org/petal-ee:1",
        "petal_awx_image_pull": "always",
        "petal_awx_image_credential": "images",
        "petal_awx_galaxy_credentials": ["Ansible Galaxy"],
        "petal_awx_machine_key_file": str(key),
        "petal_awx_machine_user": "admin",
        "petal_awx_update_secrets": True,
        "petal_awx_credentials": ["aws"],
        "petal_awx_extra_vars": {"build_host": "builder", "store": "/srv/petal"},
        "petal_awx_approval": False,
        "petal_awx_notifications": [
            {
                "name": "chat",
                "organization": "HPC",
                "notification_type": "webhook",
                "notification_configuration": {
                    "url": "https://chat.example.org/",
                    "headers": {},
                    "http_method": "POST",
                },
            }
        ],
        "petal_awx_nightly": True,
        "petal_awx_nightly_rule": "DTSTART:20260101T040000Z RRULE:FREQ=WEEKLY;INTERVAL=1",
        "petal_awx_nightly_seed": "seeds/bio.yaml",
        "petal_awx_region": "eu-west-1",
        "petal_awx_cleanup": {"keep_last": 3},
        "petal_awx_registry": "https://registry.example.org/",
        "petal_awx_push_seed": "seeds/bio.yaml",
        "petal_awx_push_service": "gitlab",
        "petal_awx_push_credential": "gitlab",
    }


def configuration(site: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The data as Ansible has it for a site that says this."""
    names = [kind.variable for kind in objects.KINDS]
    everything = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} }}"
    with tempfile.TemporaryDirectory(prefix="petal-awx-") as scratch:
        answer = Path(scratch) / "answer.json"
        # What is omitted goes as an argument of a task is made.
        tasks = [
            {"ansible.builtin.set_fact": {"made": everything}},
            {"ansible.builtin.copy": {"content": "{{ made | to_json }}", "dest": str(answer), "mode": "0600"}},
        ]
        play = {"hosts": "localhost", "gather_facts": False, "vars_files": [str(DATA)], "tasks": tasks}
        (Path(scratch) / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        ended = finished([str(ANSIBLE_PLAYBOOK), str(Path(scratch) / "play.yml"), "-e", json.dumps(site)])
        assert ended.rc == 0, ended.output
        plain = json.loads(answer.read_text(encoding="utf-8"))
    assert isinstance(plain, dict)
    return plain


class _Described(Exception):  # noqa: N818 - nothing has failed: it carries what was asked for
    """The argument specification of a module, from the moment when it would be used."""

    def __init__(self, argument_spec: dict[str, Any], **rules_of_options: Any) -> None:
        super().__init__()
        self.argument_spec = argument_spec
        self.rules = rules_of_options


def validator(module: str) -> ArgumentSpecValidator:
    """That of a module of awx.awx: the module itself hands it over."""
    found = importlib.import_module(f"{MODULES}.{module}")

    def describe(argument_spec: dict[str, Any], **rules_of_options: Any) -> None:
        raise _Described(argument_spec, **rules_of_options)

    kept: Callable[..., Any] = found.ControllerAPIModule
    common: dict[str, Any] = kept.AUTH_ARGSPEC  # type: ignore[attr-defined]
    found.ControllerAPIModule = describe  # type: ignore[attr-defined]
    try:
        found.main()
    except _Described as described:
        return ArgumentSpecValidator({**common, **described.argument_spec}, **described.rules)
    finally:
        found.ControllerAPIModule = kept  # type: ignore[attr-defined]
    raise AssertionError(f"{module} has no argument specification")


def refused(made: objects.Configuration) -> Iterator[str]:
    """What the modules of awx.awx would not take, a sentence each."""
    validators = {kind.module: validator(kind.module) for kind in (*objects.KINDS, objects.NODE)}
    for step in objects.steps(made, ()):
        result = validators[step.kind.module].validate(dict(step.arguments))
        yield from (f"{step.what}: {message}" for message in result.error_messages)


def unrenderable(made: objects.Configuration) -> Iterator[str]:
    """Injectors of credential types that name what the type does not have, a sentence each."""
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    for one in made["controller_credential_types"]:
        names: dict[str, Any] = {item["id"]: "EXAMPLE" for item in one["inputs"]["fields"]}
        files = {name.partition(".")[2]: "/FILE" for name in one["injectors"].get("file", {})}
        names["tower"] = {"filename": files.get("") or files}
        for part, templates in one["injectors"].items():
            found = (strange(sandbox, template, names) for template in templates.values())
            yield from (f"credential type {one['name']}: {part}: {error}" for error in found if error)


def strange(sandbox: jinja2.Environment, template: str, names: Mapping[str, Any]) -> str:
    """What a template uses that is not there, or why it is none."""
    try:
        sandbox.from_string(template).render(names)
    except jinja2.TemplateError as error:
        return str(error)
    return ""


def playbooks() -> set[str]:
    """Those that a job template is for."""
    return {path.stem for path in PLAYBOOKS.glob("*.yml")} - INTERNAL


def unfitting(made: objects.Configuration) -> Iterator[str]:
    """Where templates, and what they ask, do not fit the playbooks, a sentence each."""
    templates = made["controller_templates"]
    there = {Path(one["playbook"]).stem for one in templates}
    yield from (f"no job template runs {name}" for name in sorted(playbooks() - there))
    yield from (f"a job template runs {name}, and there is no such playbook" for name in sorted(there - playbooks()))
    for one in [*templates, *made["controller_workflows"]]:
        name = Path(one.get("playbook", "")).stem
        if name and one["name"] != f"petal.hpc {name}":
            yield f"the job template of {name} is called {one['name']}"
        for question in (one.get("survey_spec") or {}).get("spec", []):
            variable = question["variable"]
            if variable not in EXTRA_VARIABLES or variable in NEVER_ASKED:
                yield f"{one['name']} asks for {variable}, which is no extra variable that a person gives"
            if question["required"] and variable != "seed" and variable not in REQUIRED.get(name, ()):
                yield f"{one['name']} cannot be started without {variable}, and the playbook can"
            # Of choices an empty one is passed on to nobody.
            if "default" in question and (question["type"], question["default"]) != ("multiplechoice", ""):
                yield f"{one['name']} has a default for {variable}, which would beat what the template says"


def invalid(made: objects.Configuration) -> list[str]:
    """All that is wrong with what would be made."""
    return [*rules.wrong(made), *refused(made), *unrenderable(made), *unfitting(made)]


def figures(made: objects.Configuration) -> dict[str, int]:
    """How much there is."""
    templates, workflows = made["controller_templates"], made["controller_workflows"]
    surveys = sum(bool(one.get("survey_spec")) for one in [*templates, *workflows])
    return {"templates": len(templates), "surveys": surveys, "workflows": len(workflows)}


def main() -> int:
    """Look, run, and say what there was."""
    with tempfile.TemporaryDirectory(prefix="petal-awx-") as scratch:
        work = Path(scratch)
        key = work / "key"
        key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n", encoding="utf-8")
        sites = [configuration(SAYS_NOTHING), configuration(says_all(key))]
        wrong = [sentence for made in sites for sentence in invalid(made)]
        for sentence in wrong:
            print(sentence)
        jobs = ok = seen = 0
        if importlib.util.find_spec("awx_runner"):
            outcome = importlib.import_module("awx_runner").run(work)
            jobs, ok, seen = outcome.jobs, outcome.ok, outcome.secrets_seen
    counted = " ".join(f"{name}={value}" for name, value in figures(sites[0]).items())
    print(f"{counted} invalid={len(wrong)} runner_jobs={jobs} ok={ok} secrets_seen={seen}")
    return int(bool(wrong) or ok != jobs or seen > 0)


if __name__ == "__main__":
    sys.exit(main())
