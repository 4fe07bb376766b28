# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX would refuse, or take and do something else with: surveys, credential types, links of workflows.

AWX's API refuses some of it, one thing at a time, when part of the configuration has been made already. The rest it
takes in silence: a required question with a default fails every launch through the API, a variable with a blank is
none, and an answer's default beats the template's own extra variables.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._awx.objects import (
    KINDS,
    LINKS,
    NODES,
    WORKFLOWS,
    Configuration,
    present_nodes,
)

#: Types of questions, and of their defaults.
QUESTIONS: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (float, int),
}
WITH_CHOICES = frozenset(["multiplechoice", "multiselect"])
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Whose webhooks awx.awx 24.6.1 knows.
WEBHOOKS = ("github", "gitlab")
FORMATS = frozenset(["ssh_private_key", "url"])
FIELD_TYPES = frozenset(["string", "boolean"])
_FIELD_KEYS = frozenset(
    ["id", "label", "type", "format", "choices", "help_text", "multiline", "secret", "ask_at_runtime", "default"]
)
#: Those that a field has if it is a string, and only then.
_OF_STRINGS = ("choices", "multiline", "format", "secret")
_FILE = re.compile(r"template(\.[A-Za-z_][A-Za-z0-9_]*)?")
NO_ADDRESS = (
    "nothing says where it is (scm_url): give -e petal_awx_project_url=https://…, a Git repository with the site's "
    "playbooks, inventory and seeds."
)
_INJECTORS = frozenset(["file", "env", "extra_vars"])


def wrong(configuration: Configuration) -> list[str]:
    """All that is wrong with a configuration, a sentence each."""
    found = list(_names(configuration))
    if found:
        return found
    for variable in ("controller_templates", WORKFLOWS):
        for one in configuration.get(variable) or []:
            where = f"{variable}, {one['name']}"
            spec = one.get("survey_spec")
            found += [f"{where}: {sentence}" for sentence in survey(spec, one.get("extra_vars") or {})] if spec else []
            if one.get("survey_enabled") and not spec:
                found.append(
                    f"{where}: survey_enabled without a survey_spec asks nothing; leave one out, or add the other."
                )
            service = one.get("webhook_service") or WEBHOOKS[0]
            if service not in WEBHOOKS:
                found.append(f"{where}: webhook_service is {service!r}, and must be {' or '.join(WEBHOOKS)}.")
    for one in configuration.get("controller_credential_types") or []:
        found += [f"controller_credential_types, {one['name']}: {sentence}" for sentence in credential_type(one)]
    for one in configuration.get("controller_projects") or []:
        if one.get("scm_type", "manual") not in ("manual", "") and not one.get("scm_url"):
            found.append(f"controller_projects, {one['name']}: {NO_ADDRESS}")
    for one in configuration.get(WORKFLOWS) or []:
        found += [f"{WORKFLOWS}, {one['name']}: {sentence}" for sentence in workflow(one)]
    return found


def _names(configuration: Configuration) -> Iterator[str]:
    for kind in KINDS:
        objects = configuration.get(kind.variable) or []
        if not isinstance(objects, (list, tuple)) or not all(isinstance(one, Mapping) for one in objects):
            yield f"{kind.variable} is {objects!r}, and must be a list of mappings, one for each {kind.what}."
            continue
        names = [one.get("name") for one in objects]
        for wrong in [name for name in names if not (isinstance(name, str) and name.strip())][:1]:
            yield f"{kind.variable}: one has the name {wrong!r}; each {kind.what} needs a text."
        yield from (f"{kind.variable}: two are called {name}; AWX would have the last." for name in _twice(names))


def _twice(values: Iterable[Any]) -> list[Any]:
    seen: list[Any] = []
    twice: list[Any] = []
    for value in values:
        (twice if value in seen and value not in twice else seen).append(value)
    return twice


def survey(spec: Any, extra_vars: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a survey. extra_vars: of the template that has it."""
    if not isinstance(spec, Mapping):
        yield f"the survey is {spec!r}, and must be a mapping of name, description and spec."
        return
    for key in ("name", "description"):
        if not isinstance(spec.get(key), str):
            yield f"the survey's {key} is {spec.get(key)!r}, and must be a text; it may be empty."
    questions = spec.get("spec")
    if not isinstance(questions, (list, tuple)) or not questions:
        yield "the survey has no questions: its spec must be a list of one or more."
        return
    for number, question in enumerate(questions, 1):
        if not isinstance(question, Mapping):
            yield f"question {number} is {question!r}, and must be a mapping."
            continue
        variable = question.get("variable")
        yield from (f"question {number} ({variable}): {sentence}" for sentence in _question(question))
        if variable in extra_vars:
            yield (
                f"question {number} asks for {variable}, which the template's extra_vars say: an answer beats them. "
                "Take it from one of them."
            )
    variables = [question.get("variable") for question in questions if isinstance(question, Mapping)]
    yield from (f"two questions ask for {variable}." for variable in _twice(variables))


def _question(question: Mapping[str, Any]) -> Iterator[str]:
    for key in ("type", "question_name", "variable"):
        if not isinstance(question.get(key), str):
            yield f"its {key} is {question.get(key)!r}, and must be a text."
            return
    if not isinstance(question.get("required"), bool):
        yield f"required is {question.get('required')!r}, and must be true or false."
    if not _VARIABLE.fullmatch(question["variable"]):
        yield "its variable is none that Ansible takes: letters, digits and _ only, and no digit first."
    if question["type"] not in QUESTIONS:
        yield f"there is no type {question['type']!r}; there are {', '.join(sorted(QUESTIONS))}."
        return
    for key in ("min", "max"):
        if question.get(key) is not None and (not isinstance(question[key], int) or isinstance(question[key], bool)):
            yield f"its {key} is {question[key]!r}, and must be a whole number."
    choices = _choices(question)
    if question["type"] in WITH_CHOICES and not choices:
        yield f"its choices are {question.get('choices')!r}, and must be a list of texts."
    elif question.get("default") not in (None, ""):
        yield from _default(question, choices)


def _choices(question: Mapping[str, Any]) -> list[str]:
    """AWX takes a list, or lines."""
    given = question.get("choices") or []
    choices = given.splitlines() if isinstance(given, str) else given
    texts = isinstance(choices, (list, tuple)) and all(isinstance(choice, str) for choice in choices)
    return list(choices) if texts else []


def _default(question: Mapping[str, Any], choices: Collection[str]) -> Iterator[str]:
    kind, default = question["type"], question["default"]
    if question.get("required"):
        yield "it is required and has a default, so that launches through the API fail; leave one of them out."
    if not isinstance(default, QUESTIONS[kind]) or isinstance(default, bool):
        yield f"its default {default!r} is no {kind}."
    elif kind in WITH_CHOICES and (strange := [one for one in str(default).splitlines() if one not in choices]):
        yield f"its default {strange[0]!r} is none of its choices, {', '.join(choices)}."


def credential_type(one: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a credential type."""
    inputs, injectors = one.get("inputs") or {}, one.get("injectors") or {}
    fields = inputs.get("fields") or []
    yield from (f"inputs has no {key!r}: fields and required." for key in sorted(set(inputs) - {"fields", "required"}))
    for item in fields:
        yield from (f"the field {item.get('id')!r}: {sentence}" for sentence in _field(item))
    names = [item.get("id") for item in fields]
    yield from (f"two fields are called {name}." for name in _twice(names))
    for name in inputs.get("required") or []:
        if name not in names:
            yield f"{name} is required, and there is no such field."
    yield from (
        f"there is no injector {key!r}: file, env and extra_vars." for key in sorted(set(injectors) - _INJECTORS)
    )
    files = list(injectors.get("file") or {})
    for name in files:
        if not _FILE.fullmatch(name):
            yield f"a file is called {name!r}, and must be called template or template.NAME."
    if "template" in files and len(files) > 1:
        yield "of several files each needs a name: template.NAME."
    for name in injectors.get("env") or {}:
        if name.startswith("ANSIBLE_") or not _VARIABLE.fullmatch(name):
            yield f"the environment variable {name!r} is none that AWX sets."


def _field(item: Mapping[str, Any]) -> Iterator[str]:
    if not _VARIABLE.fullmatch(str(item.get("id"))) or item.get("id") == "tower":
        yield "its id must be of letters, digits and _, no digit first, and not tower."
    if not isinstance(item.get("label"), str):
        yield "it has no label."
    kind = item.get("type", "string")
    if kind not in FIELD_TYPES:
        yield f"its type is {kind!r}, and must be string or boolean."
    yield from (f"there is no key {key!r}." for key in sorted(set(item) - _FIELD_KEYS))
    if "format" in item and item["format"] not in FORMATS:
        yield f"its format is {item['format']!r}, and must be {' or '.join(sorted(FORMATS))}, or be left out."
    if kind == "boolean":
        yield from (f"a boolean has no {key}." for key in _OF_STRINGS if key in item)


def workflow(one: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the nodes of a workflow."""
    nodes = present_nodes(one)
    identifiers = [node.get("identifier") for node in one.get(NODES) or []]
    if not all(isinstance(identifier, str) and identifier for identifier in identifiers):
        yield "a node has no identifier."
        return
    yield from (f"two nodes are called {name}." for name in _twice(identifiers))
    there = {node["identifier"]: node for node in nodes}
    for node in nodes:
        where = f"the node {node['identifier']}"
        if ("approval_node" in node) == ("unified_job_template" in node):
            yield f"{where} needs one of unified_job_template and approval_node."
        for link in LINKS:
            for name in node.get(link) or []:
                if name not in there:
                    yield f"{where}: {link} names {name}, and there is no such node."
    yield from (f"the node {name} leads back to itself." for name in there if _returns(name, there))


def _returns(name: str, nodes: Mapping[str, Mapping[str, Any]]) -> bool:
    seen: set[str] = set()
    coming = [name]
    while coming:
        node = nodes.get(coming.pop(), {})
        for link in LINKS:
            for other in node.get(link) or []:
                if other == name:
                    return True
                if other not in seen:
                    seen.add(other)
                    coming.append(other)
    return False
