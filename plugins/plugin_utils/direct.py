# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules for the controller itself, run without the way to a host.

To pack a module, start a Python and compile all that it imports takes 0.3 s of the processor, whatever the module does.
Where the host is the controller, the user is the same and Python is Ansible's own, a child of the task's worker does
the same work with what is imported already. Everywhere else it is Ansible that runs the module, as always.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import re
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from ansible.module_utils import _internal, basic
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible.vars import clean

#: How the arguments and the result of a module are written, as Ansible has it for modules that name none.
PROFILE = "legacy"
MODULES = "ansible_collections.petal.hpc.plugins.modules."
#: The Python of a volume's mount namespace (_namespace/api.py), beside the namespace itself.
WRAPPER = re.compile(r"/run/petal/[a-z0-9-]+/python")
CLONE_NEWNS = 0x00020000
#: From this verbosity on a result says with what arguments its module ran.
VERBOSE = 3


@dataclass(frozen=True)
class Way:
    """How a task reaches its host.

    connection: its plugin's name. user: as whom the module is to run, None for whoever runs the playbook.
    python: its interpreter. environment: whether the task sets variables of it. background: whether the task is async.
    """

    connection: str
    user: str | None
    python: str
    environment: bool = False
    background: bool = False


def place(way: Way, uid: int, own: str = sys.executable) -> str | None:
    """Where a module that goes this way runs on the controller itself; None where it does not, or not as it is.

    Empty for the mount namespace of the playbook, otherwise the file of another one.

    uid: of the playbook. own: its Python.
    """
    same_user = way.user is None or (way.user == "root" and uid == 0)
    if way.connection.rpartition(".")[2] != "local" or not same_user or way.environment or way.background:
        return None
    if way.python == own:
        return ""
    if uid == 0 and WRAPPER.fullmatch(way.python) and _runs(Path(way.python), own):
        return str(Path(way.python).with_name("mnt"))
    return None


def _runs(wrapper: Path, python: str) -> bool:
    """Whether the Python of a namespace is this one."""
    with contextlib.suppress(OSError):
        return f' {shlex.quote(python)} "$@"\n' in wrapper.read_text(encoding="utf-8")
    return False


class DirectAction(ActionBase):
    """The action of a module that may run so."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module that the task names."""
        super().run(tmp, task_vars)
        return execute(self, str(self._task.resolved_action), self._task.args, task_vars or {})


def execute(
    action: ActionBase,
    module: str,
    arguments: Mapping[str, Any],
    variables: dict[str, Any],
    *,
    waits: bool = False,
) -> dict[str, Any]:
    """Run a module of this collection for an action, and give its result.

    module: in full, as ``petal.hpc.build_lock``. arguments: its options. variables: those of the task. waits: whether
    for the module's end where the task is async, too.
    """
    result = _executed(action, module, arguments, variables, bool(action._task.async_val) and not waits)
    # Whole files are among them, and an event of AWX has all of a result. Ansible shows them from -vvv on as well.
    if action._display.verbosity < VERBOSE:
        result.pop("invocation", None)
    return result


def _executed(
    action: ActionBase, module: str, arguments: Mapping[str, Any], variables: dict[str, Any], background: bool
) -> dict[str, Any]:
    where = place(_way(action, variables, background), os.geteuid())
    if where is None:
        in_background = background and not action._connection.has_native_async
        try:
            options: dict[str, Any] = {"task_vars": variables, "wrap_async": in_background}
            return dict(action._execute_module(module_name=module, module_args=dict(arguments), **options))
        finally:
            if not in_background:
                action._remove_tmp_path(action._connection._shell.tmpdir)
    given = dict(arguments)
    action._update_module_args(module, given, variables)
    with tempfile.TemporaryDirectory(prefix="ansible-petal-") as directory:
        given["_ansible_tmpdir"] = directory
        status, output, errors = run_module(module.rpartition(".")[2], given, where)
    found = {"rc": status, "stdout": output, "stderr": errors}
    return _as_ansible_has_it(action._parse_returned_data(found, PROFILE))


def _as_ansible_has_it(parsed: Any) -> dict[str, Any]:
    """A module's result as ``_execute_module`` gives it: cleaned, in ansible-core 2.21 by an object of its own."""
    if isinstance(parsed, dict):
        clean.remove_internal_keys(parsed)
        return parsed
    parsed.remove_internal_keys()
    return dict(parsed.as_result_dict(for_round_trip=True))


def leaves_no_file(action: ActionBase, variables: Mapping[str, Any]) -> bool:
    """Whether the module of a task, and its arguments with it, reaches its host without being a file there."""
    direct = place(_way(action, variables, bool(action._task.async_val)), os.geteuid()) is not None
    return direct or action._is_pipelining_enabled("new", bool(action._task.async_val))


def _way(action: ActionBase, variables: Mapping[str, Any], background: bool) -> Way:
    host = action._task.delegate_to
    if host:
        variables = (variables.get("ansible_delegated_vars") or {}).get(host) or {}
    become = action._connection.become
    return Way(
        connection=str(action._connection.transport),
        user=None if become is None else str(action.get_become_option("become_user") or "root"),
        python=str(action._templar.template(variables.get("ansible_python_interpreter", ""))),
        environment=any(action._task.environment or ()),
        background=background,
    )


def run_module(name: str, arguments: Mapping[str, Any], namespace: str = "") -> tuple[int, str, str]:
    """Run a module in a child of this process; its status, output and error output.

    name: without the collection's. arguments: as Ansible hands them to a module. namespace: the file of the mount
    namespace in which it runs; empty for this one.
    """
    encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
    handed = json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments)}, cls=encoder).encode()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            _be(name, handed, namespace, output, errors)
        _pid, status = os.waitpid(child, 0)
        texts = [_text(stream) for stream in (output, errors)]
    return os.waitstatus_to_exitcode(status), texts[0], texts[1]


def _text(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "surrogateescape")


def _be(name: str, handed: bytes, namespace: str, output: BinaryIO, errors: BinaryIO) -> NoReturn:
    """What the child does: be the module, and end."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        with Path(os.devnull).open("rb") as nothing:
            for descriptor, stream in enumerate((nothing, output, errors)):
                os.dup2(stream.fileno(), descriptor)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
        if namespace:
            _enter(namespace)
        # What a module warns of belongs to its result, as on a host; here it would go to the screen of the worker.
        _internal.is_controller = False
        basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = handed, PROFILE
        importlib.import_module(MODULES + name).main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    except BaseException:  # whatever it is, it is told, and never goes up into the worker's own code
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _enter(namespace: str) -> None:
    """Go into a mount namespace, and stay in the same directory there (setns(2))."""
    here = Path.cwd()
    with Path(namespace).open("rb") as file:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file.fileno(), CLONE_NEWNS) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)
    with contextlib.suppress(OSError):
        os.chdir(here)
