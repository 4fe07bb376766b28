"""Which module a file is, and what can be a modulefile."""

from __future__ import annotations

import pytest
from seed_samples import LOCAL, changed, faults, problems

from ansible_collections.petal.hpc.plugins.module_utils._seed import modulefiles

HELP = b"help([[A tool]])\n"


@pytest.mark.parametrize(
    ("path", "module", "lua"),
    [
        ("site/mytool-1.0.lua", "mytool/1.0", True),
        ("site/mytool/1.0.lua", "mytool/1.0", True),
        ("mytool-1.0.lua", "mytool/1.0", True),
        ("mytool-1.0", "mytool/1.0", False),
        ("site/mytool/1.0", "mytool/1.0", False),
        # A version may have hyphens, and a name.
        ("site/mytool/1.0-rc2.lua", "mytool/1.0-rc2", True),
        ("site/my-own-tool-v1.0-rc2.lua", "my-own-tool/v1.0-rc2", True),
        ("gcc-12/2024a.lua", "gcc-12/2024a", True),
        ("site/mytool/develop.lua", "mytool/develop", True),
        ("7zip-24.lua", None, True),
        ("mytool.lua", None, True),
        ("mytool", None, False),
    ],
)
def test_a_file_is_called_as_people_call_it(path: str, module: str | None, lua: bool) -> None:
    found = modulefiles.named(path)
    assert (found and found.module) == module
    assert found is None or (found.lua, found.file) == (lua, f"{module}.lua" if lua else module)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/modulefiles/tool-1.0.lua", "it is an absolute path"),
        ("../tool-1.0.lua", "'..' part"),
        ("site/../../tool-1.0.lua", "'..' part"),
        ("./tool-1.0.lua", "'.' or"),
        ("site//tool-1.0.lua", "an empty"),
        ("site/{{ tool }}-1.0.lua", "its parts may hold letters"),
        ("site/.hidden/1.0.lua", "its parts may hold letters"),
        ("site/tool/1.0.tcl", "Lmod takes the suffix"),
        ("tool.lua", "this does not say which module it is"),
        ("", "it is empty"),
        (1.0, "a number with a fraction stands here"),
    ],
)
def test_a_path_that_says_no_module_or_leaves_the_directory(path: object, said: str) -> None:
    found = faults(changed(LOCAL, "software", "modules", [path]))
    assert list(found) == ["software.modules[0]"]
    assert said in found["software.modules[0]"]


@pytest.mark.parametrize(
    ("content", "lua", "said"),
    [
        (HELP, True, ""),
        ("-- für alle\nprepend_path('PATH', '/x')\n".encode(), True, ""),
        (b'whatis "Name: tool"\n', True, ""),
        (b"#%Module1.0\nsetenv A b\n", False, ""),
        (b"", True, "calls no function of Lmod"),
        (b"", False, "begins with #%Module"),
        (b"#!/bin/sh\necho no\n", False, "begins with #%Module"),
        (b"local reload = 1\n", True, "calls no function of Lmod"),
        (b"#%Module\nsetenv A b\n", True, "take the suffix away"),
        (HELP + b"\xff", True, "not UTF-8"),
        (HELP + b"\0", True, "NUL"),
        (HELP + b"-" * modulefiles.SIZE_LIMIT, True, "larger than 64 KiB"),
    ],
)
def test_what_can_be_one(content: bytes, lua: bool, said: str) -> None:
    found = modulefiles.objection(content, lua)
    assert (said in found) if said else found == ""


def test_two_of_one_name_collide_and_so_do_other_modules() -> None:
    twice = changed(LOCAL, "software", "modules", ["a/tool-1.0.lua", "b/tool/1.0"])
    assert faults(twice) == {"software.modules[1]": "a/tool-1.0.lua is the module tool/1.0 too"}
    beside = changed(LOCAL, "software", "modules", ["a/tool-1.0.lua", "a/tool-2.0.lua"])
    assert problems(beside) == []
    environment = changed(beside, "software", "python_environments", [{"name": "tool", "packages": ["six==1.17.0"]}])
    message = "a Python environment has the name tool: their modules collide"
    assert faults(environment) == {"software.modules[0]": message, "software.modules[1]": message}
