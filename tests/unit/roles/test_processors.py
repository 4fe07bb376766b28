"""What a node can run, by the Lua that Lmod reads and by the profile: archspec's own verdict, for every processor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._lmod.lua import lua_string
from ansible_collections.petal.hpc.plugins.module_utils._spack.targets import node_targets

# tests/lab/processors.py has made it of archspec.
TABLE = json.loads(Path(__file__).with_name("data").joinpath("processors.json").read_text())
FAMILIES = ("x86_64", "aarch64")
LUA = next((lua for lua in ("lua", "lua5.4", "lua5.3", "lua5.1") if shutil.which(lua)), None)
#: As Lmod runs files: what rc files may call, in all of its releases since 8.6; then a file of nodes with names.
HARNESS = """
local rc, nodes = ...
local real, text = io.open, ""
local file = real(nodes)
for name, cpuinfo in file:read("*a"):gmatch("@@(%S+)\\n(.-)@@\\n") do
    local hidden, marked = {}, {}
    local function open(path)
        assert(path == "/proc/cpuinfo")
        local copy = real(nodes .. ".cpuinfo", "w")
        copy:write(cpuinfo)
        copy:close()
        return real(nodes .. ".cpuinfo")
    end
    local sandbox = {
        hide_modulefile = function(path) hidden[#hidden + 1] = path end,
        module_version = function(module, word) marked[#marked + 1] = module .. "=" .. word end,
        os = { getenv = os.getenv },
        io = { open = open, stderr = io.stdout },
    }
    local chunk
    if setfenv then chunk = setfenv(loadfile(rc), sandbox) else chunk = loadfile(rc, "t", sandbox) end
    local why = chunk(...)
    print(name .. "|" .. table.concat(hidden, " ") .. "|" .. table.concat(marked, " ") .. "|" .. (why or ""))
end
"""


def described(*names: str, **more: Any) -> dict[str, Any]:
    """What a build says of its modules: one for each target, called as it is."""
    told = {
        name: {**entry, "features": [*entry["features"].split(), *["sse3"] * ("ssse3" in entry["features"])]}
        for name, entry in TABLE["processors"].items()
        if entry["family"] in {TABLE["processors"][name]["family"] for name in names}
    }
    listed = {name: [[f"tool/{name}", f"/modules/tool/{name}.lua"]] for name in names}
    facts = {"built": names, "processors": told, "vendors": TABLE["vendors"], "modules": []}
    return {**node_targets(facts), "modules": listed, "choices": [], **more}


def rendered(name: str, targets: dict[str, Any], role: str = "lmod") -> str:
    loader = FileSystemLoader(ROOT / "roles" / role / "templates")
    environment = Environment(loader=loader, trim_blocks=True, undefined=StrictUndefined)
    environment.filters["petal.hpc.lua_string"] = lua_string
    facts = {"lmod_targets": targets, "software_volume_targets": targets, "software_volume_mount_dir": "/volume"}
    return environment.get_template(name).render(lmod_mount_dir="/volume", **facts)


def cpuinfo(name: str, somebody: bool = True) -> str:
    """What the kernel says on a node with this processor, or with one like it of a vendor that nobody knows."""
    entry = TABLE["processors"][name]
    if entry["family"] == "x86_64":
        vendor = entry["vendor"] if somebody else "Nobody"
        lines = f"vendor_id\t: {vendor}\nmodel name\t: Model {name}\nflags\t\t: fpu {entry['features']} de\n"
        lines += "vmx flags\t: avx512f avx\n"
    else:
        code = entry["implementer"] if somebody else "0x00"
        lines = f"Features\t: {entry['features']}\nCPU implementer\t: {code}\nCPU part\t: {entry['part']}\n"
    # The first one counts.
    return f"processor\t: 0\n{lines}\nprocessor\t: 1\nflags\t\t: none\nFeatures\t: none\nvendor_id\t: None\n\n"


def asked(
    tmp_path: Path, text: str, nodes: dict[str, str], *arguments: str, **environment: str
) -> dict[str, list[str]]:
    """What a file does on each node: files that are hidden, names that are marked, and what it returns."""
    if LUA is None:
        pytest.skip("no Lua on this machine")
    for name, content in {
        "harness.lua": HARNESS.replace("chunk(...)", f"chunk({', '.join(map(lua_string, arguments))})"),
        "asked.lua": text,
        "nodes": "".join(f"@@{name}\n{said}@@\n" for name, said in nodes.items()),
    }.items():
        (tmp_path / name).write_text(content)
    argv = [LUA, *(str(tmp_path / name) for name in ("harness.lua", "asked.lua", "nodes"))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": "/bin", **environment})
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in done.stdout.splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) > 1} | {"": [line[0] for line in lines if len(line) == 1]}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_verdict_is_archspecs(family: str, tmp_path: Path) -> None:
    names = [name for name, entry in TABLE["processors"].items() if entry["family"] == family]
    nodes = {name: cpuinfo(name) for name in names} | {f"{name}-like": cpuinfo(name, False) for name in names}
    found = asked(tmp_path, rendered("modulerc.lua.j2", described(*names)), nodes)
    for name in names:
        for node, key in ((name, "runs"), (f"{name}-like", "runs_of_nobody")):
            hidden = {
                Path(file).stem if "armv" not in file else Path(file).name[:-4] for file in found[node][0].split()
            }
            assert set(names) - hidden == set(TABLE["processors"][name][key].split()), node


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh"])
def test_the_profile_speaks_where_nothing_can_be_run(family: str, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    built = {"x86_64": ["x86_64_v4", "zen2"], "aarch64": ["neoverse_v1"]}[family]
    text = rendered("petal.processor.j2", described(*built), "software_volume")
    (tmp_path / "petal.processor").write_text(text.replace("/proc/cpuinfo", str(tmp_path / "cpuinfo")))
    names = [name for name, entry in TABLE["processors"].items() if entry["family"] == family]
    for name in names[:: 1 if shell == "sh" else 9]:
        (tmp_path / "cpuinfo").write_text(cpuinfo(name))
        argv = [shell, str(tmp_path / "petal.processor")]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout == ""
        model = f" (Model {name})" if family == "x86_64" else ""
        expected = (
            f"The processor of this node{model} runs none of the software at /volume that was built for "
            f"{' or '.join(one for one in ('zen2', 'x86_64_v4', 'neoverse_v1') if one in built)}. "
            "Its modules say so when they are loaded.\n"
        )
        assert done.stderr == ("" if set(built) & set(TABLE["processors"][name]["runs"].split()) else expected)


@pytest.mark.parametrize("built", ["x86_64_v3", "neoverse_v1"])
def test_shellcheck_finds_nothing_in_the_profile(built: str, tmp_path: Path) -> None:
    file = tmp_path / "petal.processor"
    file.write_text(rendered("petal.processor.j2", described(built), "software_volume"))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([str(shellcheck), "--shell=sh", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_best_build_is_the_default(tmp_path: Path) -> None:
    choices = [[["tool/x86_64_v4", "x86_64_v4"], ["tool/zen2", "zen2"], ["tool/x86_64_v3", "x86_64_v3"]]]
    text = rendered("modulerc.lua.j2", described("x86_64_v3", "x86_64_v4", "zen2", choices=choices))
    found = asked(tmp_path, text, {name: cpuinfo(name) for name in ("zen4", "zen3", "haswell", "skylake_avx512")})
    assert {node: said[1] for node, said in found.items() if node} == {
        "zen4": "tool/x86_64_v4=default",
        "zen3": "tool/zen2=default",
        "haswell": "tool/x86_64_v3=default",
        "skylake_avx512": "tool/x86_64_v4=default",
    }


def test_who_asks_for_what_there_is_for_others_only_is_told_why(tmp_path: Path) -> None:
    """By a short name Lmod takes a hidden module only where it is marked."""
    listed = {
        "x86_64_v4": [["fast/1", "/m/fast/1.lua"], ["fast/2", "/m/fast/2.lua"], ["both/1-new", "/m/both/1-new.lua"]],
        "x86_64_v3": [["both/1", "/m/both/1.lua"]],
    }
    text = rendered("modulerc.lua.j2", described(*listed, modules=listed))
    found = asked(tmp_path, text, {"haswell": cpuinfo("haswell"), "nehalem": cpuinfo("nehalem")})
    assert found["haswell"][:2] == ["/m/fast/1.lua /m/fast/2.lua /m/both/1-new.lua", "fast/1=default"]
    # Where nothing can be run all is seen.
    assert found["nehalem"][:2] == ["", ""]


@pytest.mark.parametrize(
    ("node", "needs", "says"),
    [
        ("haswell", "x86_64_v3", ""),
        ("zen4", "x86_64_v4 x86_64_v3", ""),
        (
            "haswell",
            "x86_64_v3 x86_64_v4",
            "was built for x86_64_v4, which this node's processor cannot run: Model haswell lacks avx512bw, avx512cd, "
            "avx512dq and 2 more of its features; it runs what was built for x86_64_v3 "
            "(PETAL_TARGET=x86_64_v4 loads it all the same)",
        ),
        (
            "nehalem",
            "zen2",
            "was built for zen2, which this node's processor cannot run: Model nehalem is none of AuthenticAMD; "
            "it runs nothing of this volume (PETAL_TARGET=zen2 loads it all the same)",
        ),
        (
            "cortex_a72",
            "neoverse_n1",
            "was built for neoverse_n1, which this node's processor cannot run: part 0xd08 of ARM lacks asimddp, "
            "asimdhp, asimdrdm and 4 more of its features; it runs nothing of this volume "
            "(PETAL_TARGET=neoverse_n1 loads it all the same)",
        ),
    ],
)
def test_a_module_says_why_not(node: str, needs: str, says: str, tmp_path: Path) -> None:
    family = TABLE["processors"][node]["family"]
    built = ["neoverse_n1"] if family == "aarch64" else ["x86_64_v3", "x86_64_v4", "zen2"]
    text = rendered("targets.lua.j2", described(*built))
    assert asked(tmp_path, text, {node: cpuinfo(node)}, needs)[node][2] == says


@pytest.mark.parametrize(
    ("asks", "needs", "says", "hidden"),
    [
        ("any", "x86_64_v4", "", []),
        ("icelake", "x86_64_v4", "", []),
        ("x86_64_v4", "x86_64_v4", "", []),
        ("nehalem", "x86_64_v3", "was built for x86_64_v3, which a processor of PETAL_TARGET=nehalem cannot run", []),
        (
            "zen2",
            "x86_64_v4",
            "was built for x86_64_v4, which a processor of PETAL_TARGET=zen2 cannot run",
            ["x86_64_v4"],
        ),
        (
            "zen 4",
            "x86_64_v3",
            "was not loaded: PETAL_TARGET is zen 4, which is no processor that archspec knows. "
            "Expected one such as x86_64_v4, or any",
            ["x86_64_v4"],
        ),
    ],
)
def test_users_overrule(asks: str, needs: str, says: str, hidden: Sequence[str], tmp_path: Path) -> None:
    targets = described("x86_64_v3", "x86_64_v4")
    nodes = {"haswell": cpuinfo("haswell")}
    said = asked(tmp_path, rendered("targets.lua.j2", targets), nodes, needs, PETAL_TARGET=asks)
    assert said["haswell"][2] == says
    found = asked(tmp_path, rendered("modulerc.lua.j2", targets), nodes, PETAL_TARGET=asks)
    assert found["haswell"][0].split() == [f"/modules/tool/{name}.lua" for name in hidden]
    warned = [
        "PETAL_TARGET is zen 4, which is no processor that archspec knows. Expected one such as x86_64_v4, or any. "
    ]
    assert [line[: len(warned[0])] for line in found[""]] == (warned if " " in asks else [])


@pytest.mark.parametrize("said", ["", "processor\t: 0\nBogoMIPS\t: 50\n\n"])
def test_where_the_kernel_says_nothing_everything_is_tried(said: str, tmp_path: Path) -> None:
    targets = described("x86_64_v4", "zen2")
    assert asked(tmp_path, rendered("modulerc.lua.j2", targets), {"node": said})["node"][0] == ""
    assert asked(tmp_path, rendered("targets.lua.j2", targets), {"node": said}, "zen2")["node"][2] == ""


def test_a_volume_without_spack_reads_nothing(tmp_path: Path) -> None:
    found = asked(tmp_path, rendered("modulerc.lua.j2", {}).replace("/proc/cpuinfo", "/nothing"), {"node": ""})
    assert found["node"] == ["", "", ""]
    assert "cpuinfo" not in rendered("petal.processor.j2", {}, "software_volume")
