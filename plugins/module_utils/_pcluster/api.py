# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of AWS ParallelCluster, through its Python library and, where that has nothing, through boto3."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.urls import open_url

from ansible_collections.amazon.aws.plugins.module_utils.botocore import get_aws_connection_info
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._pcluster import answers
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.events import Event, cause, last_run, progress

NOT_FOUND, DRY_RUN = 404, 412
#: Seconds between two looks at a stack.
DELAY = 15
ENVIRONMENT = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "profile_name": "AWS_PROFILE",
}
#: The states in which a stack rests.
ENDED = (
    *("CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
    *("UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"),
    *("DELETE_COMPLETE", "DELETE_FAILED"),
)


class RefusedError(PetalError):
    """ParallelCluster does not do what it was asked for. ``code`` as in HTTP, ``answer`` in the shape of its API."""

    def __init__(self, name: str, code: int, answer: Mapping[str, Any], level: str = "ERROR") -> None:
        super().__init__(answers.refusal(name, answer, level))
        self.code = code
        self.answer = answer


class Library:
    """``pcluster.lib``, whose functions are the operations of ParallelCluster's API."""

    def __init__(self, module: Any, region: str | None = None) -> None:
        """Load it. Ends the module with what is missing where it cannot be loaded.

        :param module: AnsibleAWSModule; its credentials, endpoint and Region are the library's, which has no options.
        :param region: Region where the module is given none.
        """
        given, endpoint, connection = get_aws_connection_info(module)
        self.region = given or region
        settings = {ENVIRONMENT[key]: value for key, value in connection.items() if key in ENVIRONMENT and value}
        if endpoint:
            settings["AWS_ENDPOINT_URL"] = endpoint
        if isinstance(connection.get("verify"), str):
            settings["AWS_CA_BUNDLE"] = connection["verify"]
        os.environ.update(settings)
        try:
            with _quiet():
                self._operations = importlib.import_module("pcluster.lib")
                errors = importlib.import_module("pcluster.api.errors")
                commands = importlib.import_module("pcluster.cli.exceptions")
                self._plain = importlib.import_module("pcluster.api.encoder").JSONEncoder()
            self._yaml = importlib.import_module("yaml")
            self._boto3 = importlib.import_module("boto3")
            self._waiter = importlib.import_module("botocore.waiter")
        except ImportError as error:
            why = missing_required_lib(
                "aws-parallelcluster",
                reason="in an environment of its own",
                url="https://docs.aws.amazon.com/parallelcluster/latest/ug/",
            )
            module.fail_json(msg=why, exception=str(error))
        self._api_error = errors.ParallelClusterApiException
        self._command_errors = (commands.APIOperationException, commands.ParameterException)

    def ask(self, operation: str, name: str, level: str = "ERROR", **given: Any) -> dict[str, Any]:
        """One operation, as ``describe_cluster``; what it answers. Raises RefusedError."""
        arguments = {key: value for key, value in {"region": self.region, **given}.items() if value is not None}
        try:
            with _quiet():
                found: dict[str, Any] = getattr(self._operations, operation)(**arguments)
        except self._api_error as error:
            raise RefusedError(name, error.code, json.loads(self._plain.encode(error.content)), level) from error
        except self._command_errors as error:
            raise RefusedError(name, 400, error.data, level) from error
        return found

    def read(self, text: str) -> Any:
        """A YAML text. Raises PetalError."""
        try:
            return self._yaml.safe_load(text)
        except self._yaml.YAMLError as error:
            raise PetalError(f"no YAML: {' '.join(str(error).split())}") from error

    def write(self, config: Any) -> str:
        """As YAML text."""
        return str(self._yaml.safe_dump(config, sort_keys=False))

    def stacks(self) -> Any:
        """boto3's client of CloudFormation, for the events of nested stacks and the number of resources."""
        return self._boto3.client("cloudformation", region_name=self.region)

    def wait(self, stack_id: str, timeout: int) -> bool:
        """Wait for the end of what is being done to a stack; whether it came within so many seconds."""
        ends = [
            {"matcher": "pathAll", "argument": "Stacks[].StackStatus", "expected": state, "state": "success"}
            for state in ENDED
        ]
        gone = {"matcher": "error", "expected": "ValidationError", "state": "success"}
        delay = max(1, min(DELAY, timeout))
        ended = {"operation": "DescribeStacks", "delay": delay, "maxAttempts": max(1, timeout // delay)}
        model = self._waiter.WaiterModel({"version": 2, "waiters": {"Ended": {**ended, "acceptors": [*ends, gone]}}})
        waiter = self._waiter.create_waiter_with_client("Ended", model, self.stacks())
        try:
            waiter.wait(StackName=stack_id)
        except importlib.import_module("botocore.exceptions").WaiterError as error:
            if "Max attempts exceeded" not in str(error):
                raise PetalError(f"waiting for {stack_id}: {error}") from error
            return False
        return True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library, and the Node.js below it, print; what a module prints is its result."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@dataclass(frozen=True)
class How:
    """How a cluster is created and updated, and whether that is waited for."""

    dry: bool = False
    wait: bool = True
    timeout: int = 5400
    rollback: bool = True
    suppress: tuple[str, ...] = ()
    level: str = "ERROR"


class Cluster:
    """One cluster, by its name."""

    def __init__(self, library: Library, name: str) -> None:
        self._library = library
        self.name = name

    def described(self) -> dict[str, Any] | None:
        """As ParallelCluster describes it; None where there is none. Raises RefusedError."""
        try:
            return self._library.ask("describe_cluster", self.name, cluster_name=self.name)
        except RefusedError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def _events(self) -> Iterator[Event]:
        token = None
        while True:
            page = self._library.ask("get_cluster_stack_events", self.name, cluster_name=self.name, next_token=token)
            yield from map(Event.parse, page.get("events") or [])
            token = page.get("nextToken")
            if not token:
                return

    def events(self) -> list[Event]:
        """Those of the last creation, update or deletion, oldest first; none where there is no cluster."""
        try:
            return last_run(self._events())
        except RefusedError as error:
            if error.code == NOT_FOUND:
                return []
            raise

    def cause(self, run: list[Event]) -> str:
        """Why it failed: the first failure, followed into nested stacks; empty where nothing failed."""
        found = first = cause(run)
        with contextlib.suppress(Exception):  # a nested stack that cannot be read has said enough in its parent
            while found is not None and found.nested:
                pages = self._library.stacks().get_paginator("describe_stack_events").paginate(StackName=found.nested)
                inner = cause(last_run(Event.parse(one) for page in pages for one in page["StackEvents"]))
                found, first = inner, inner or first
        return str(first) if first else ""

    def progress(self, run: list[Event]) -> dict[str, Any]:
        """How far it is, out of the resources of its template."""
        updating = any(event.begins and event.status.startswith("UPDATE") for event in run)
        expected = 0
        if run and not updating:
            with contextlib.suppress(Exception):  # only for a number
                body = self._library.stacks().get_template(StackName=run[0].stack_id)["TemplateBody"]
                template = self._library.read(body) if isinstance(body, str) else body
                expected = len(template["Resources"])
        return progress(run, expected)

    def wait(self, answer: Mapping[str, Any], how: How) -> None:
        """Wait for the end of what is being done. Raises PetalError with how far it is when the time is over."""
        stack_id = str(answer.get("cloudformationStackArn") or self.name)
        if not self._library.wait(stack_id, how.timeout):
            far = self.progress(self.events())
            raise PetalError(
                f"Cluster {self.name}: not at the end after {how.timeout} s, {far['done']} of {far['total']} resources "
                f"are done, now {far['item']}. AWS goes on with it; run again to go on waiting."
            )

    def present(self, config: Mapping[str, Any], how: How) -> dict[str, Any]:
        """Create it, update it, or leave it as it is; what a module returns. Raises PetalError."""
        before = self.described()
        if before and answers.in_progress(before) and how.wait and not how.dry:
            self.wait(before, how)
            before = self.described()
        if before is None:
            return self._create(config, how)
        if answers.status(before) not in answers.USABLE and not answers.in_progress(before):
            raise PetalError(
                f"Cluster {self.name}: it is {answers.status(before)}. {self.cause(self.events())} "
                "It can neither be used nor updated: delete it (state: absent) and create it anew."
            )
        live = self._configuration(before)
        if live is not None and self._library.read(live) == config:
            return self._result(False, before)
        if answers.in_progress(before):
            raise PetalError(
                f"Cluster {self.name}: it is {answers.status(before)}, and cannot be updated now: wait for the end."
            )
        return self._update(config, how, live)

    def absent(self, how: How) -> dict[str, Any]:
        """Delete it; what a module returns. Raises PetalError."""
        before = self.described()
        if before is None or how.dry:
            return self._result(before is not None, before)
        begun = answers.status(before) == "DELETE_IN_PROGRESS"
        if not begun:
            try:
                self._library.ask("delete_cluster", self.name, cluster_name=self.name)
            except RefusedError as error:
                # The library looks at the stack once more, which may be gone by then.
                if error.code != NOT_FOUND:
                    raise
        if how.wait:
            self.wait(before, how)
        after = self.described()
        if after is not None and not answers.in_progress(after):
            raise PetalError(f"Cluster {self.name}: it was not deleted. {self.cause(self.events())}")
        return self._result(not begun, after)

    def _create(self, config: Mapping[str, Any], how: How) -> dict[str, Any]:
        diff = {"before": "", "after": self._library.write(config)}
        more = {"cluster_name": self.name, "rollback_on_failure": how.rollback}
        answer = self._carry_out("create_cluster", config, how, **more)
        return self._finish(answer, answer.get("cluster") or {}, how, diff)

    def _update(self, config: Mapping[str, Any], how: How, live: str | None) -> dict[str, Any]:
        after = self._library.write(config)
        diff = {"before": self._library.write(self._library.read(live)) if live else "", "after": after}
        try:
            answer = self._carry_out("update_cluster", config, how, cluster_name=self.name)
        except RefusedError as error:
            if answers.NO_CHANGES in str(error.answer.get("message")):
                return self._result(False, self.described())
            raise
        return self._finish(answer, answer.get("cluster") or {}, how, diff)

    def _carry_out(self, operation: str, config: Mapping[str, Any], how: How, **more: Any) -> dict[str, Any]:
        """Create or update, or only try; the answer of either."""
        if shutil.which("node") is None:
            raise PetalError(
                "ParallelCluster makes its templates with Node.js, and there is no node in the PATH: install it "
                "(Debian, Ubuntu, Amazon Linux and Red Hat have the package nodejs)."
            )
        given = {"suppress_validators": list(how.suppress) or None, "validation_failure_level": how.level, **more}
        try:
            return self._library.ask(
                operation, self.name, how.level, cluster_configuration=config, dryrun=how.dry or None, **given
            )
        except RefusedError as error:
            if how.dry and error.code == DRY_RUN:
                return dict(error.answer)
            raise

    def _configuration(self, described: Mapping[str, Any]) -> str | None:
        """The text that the cluster was made or updated with last; None where it cannot be read."""
        url = str((described.get("clusterConfiguration") or {}).get("url") or "")
        if not url.startswith("http"):
            return None
        try:
            text: str = open_url(url, timeout=30).read().decode()
        except Exception:  # of the network, of TLS, of HTTP: then ParallelCluster itself compares
            return None
        return text

    def _finish(
        self, answer: Mapping[str, Any], begun: Mapping[str, Any], how: How, diff: dict[str, str]
    ) -> dict[str, Any]:
        after = None if how.dry else self.described()
        if how.wait and not how.dry:
            self.wait(begun, how)
            after = self.described()
            if after is None or answers.status(after) not in answers.GOOD:
                raise PetalError(self._failed(after or begun))
        found = {"messages": answers.messages(answer), "changes": answers.changes(answer), "diff": diff}
        return {**self._result(True, after), **found}

    def _failed(self, described: Mapping[str, Any]) -> str:
        said = answers.cluster(described)
        reasons = [self.cause(self.events()), *said["failures"]]
        return f"Cluster {self.name}: it is {said['status'] or 'gone'}. {' '.join(filter(None, reasons))}"

    def _result(self, changed: bool, described: Mapping[str, Any] | None) -> dict[str, Any]:
        found = answers.cluster(described) if described else None
        return {"changed": changed, "cluster": found, "messages": [], "changes": []}

    def info(self, with_events: bool = False) -> dict[str, Any]:
        """What is known of it, for a module that only asks."""
        described = self.described()
        run = self.events() if described else []
        ended = described is None or not answers.in_progress(described)
        state = answers.status(described) if described else ""
        return {
            "cluster": answers.cluster(described) if described else None,
            "ended": ended,
            "usable": ended and state in answers.USABLE,
            "cause": self.cause(run),
            "progress": self.progress(run) if run else None,
            "events": [event.to_dict() for event in run] if with_events else [],
        }


def listed(library: Library) -> list[dict[str, Any]]:
    """All clusters of the account in the Region, in few words. Raises RefusedError."""
    found: list[dict[str, Any]] = []
    token = None
    while True:
        page = library.ask("list_clusters", "list", next_token=token)
        for one in page.get("clusters") or []:
            shown = answers.cluster(one)
            found.append({key: shown[key] for key in ("name", "status", "stack_status", "region", "version")})
        token = page.get("nextToken")
        if not token:
            return found


def instances(library: Library, name: str) -> list[dict[str, Any]]:
    """The instances of a cluster, all kinds of nodes. Raises RefusedError."""
    found: list[dict[str, Any]] = []
    token = None
    while True:
        page = library.ask("describe_cluster_instances", name, cluster_name=name, next_token=token)
        found += [dict(one) for one in page.get("instances") or []]
        token = page.get("nextToken")
        if not token:
            return found


def configuration_of(library: Library, given: Any) -> dict[str, Any]:
    """A configuration that is given as a mapping or as the path of a file. Raises PetalError."""
    if isinstance(given, str):
        try:
            given = library.read(Path(given).expanduser().read_text(encoding="utf-8"))
        except OSError as error:
            raise PetalError(f"The configuration {given} cannot be read: {error.strerror}.") from error
    if not isinstance(given, dict) or not given:
        raise PetalError("The configuration is no mapping. Expected what ParallelCluster takes, or the path of a file.")
    return given
