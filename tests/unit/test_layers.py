"""Imports point down only: playbooks → roles → doors → services → pure core."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import layers
import pytest
import yaml
from layers import COLLECTION, DOOR_KINDS, ROOT, imports, with_all_it_imports

DOORS = layers.doors()
UTILITIES = layers.utilities()
CORE = [path for path in UTILITIES if layers.is_core(path)]
SERVICES = [path for path in UTILITIES if layers.is_service(path)]
#: packaging does no I/O and comes with ansible-core: on the controller it is as good as the standard library.
BEYOND_THE_STANDARD_LIBRARY = {
    "module_utils/_seed/requirements.py": {"packaging"},
    "module_utils/_vulnerabilities/model.py": {"packaging"},
}
ROLE_FILES = sorted(path for path in (ROOT / "roles").glob("*/*/**/*.yml") if "molecule" not in path.parts)
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
PROVIDERS = ("local", "aws")
#: What the role cluster calls them: a provider's way to a cluster.
KINDS = ("inventory", "pcluster")


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CORE, ids=label)
def test_pure_core_imports_the_standard_library_and_itself(path: Path) -> None:
    also = BEYOND_THE_STANDARD_LIBRARY.get(label(path).partition("/")[2], set())
    for name in imports(path):
        if name.startswith("ansible_collections"):
            assert name.startswith(f"{COLLECTION}.module_utils._"), name
        else:
            assert name.split(".")[0] in {*sys.stdlib_module_names, *also}, name
    assert not [label(other) for other in layers.imported_files(path) if layers.is_service(other)]


def test_every_package_has_its_place_in_the_order() -> None:
    assert len(set(layers.PACKAGES)) == len(layers.PACKAGES)
    assert {layers.package(path) for path in UTILITIES} <= set(layers.PACKAGES)


def test_packages_import_what_stands_below_them() -> None:
    assert layers.knots() == []


def test_an_import_that_points_upwards_is_a_knot(monkeypatch: pytest.MonkeyPatch) -> None:
    """With _core on top, everything that imports it does."""
    monkeypatch.setattr(layers, "PACKAGES", (*layers.PACKAGES[1:], "_core"))
    knots = layers.knots()
    assert "plugins/module_utils/_seed/errors.py imports plugins/module_utils/_core/errors.py" in {
        knot.partition(":")[0] for knot in knots
    }
    assert all("_core stands above" in knot for knot in knots)


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=label)
def test_what_needs_the_controllers_libraries_never_travels(path: Path) -> None:
    assert path in with_all_it_imports(path)
    assert not {label(part).partition("/")[2] for part in with_all_it_imports(path)} & set(BEYOND_THE_STANDARD_LIBRARY)


def test_the_controllers_libraries_are_reached_by_what_runs_there() -> None:
    """That the walk over imports sees them where they are."""
    actions = [ROOT / "plugins" / "action" / f"{name}.py" for name in ("seed_info", "volume_vulnerabilities")]
    reached = set().union(*map(with_all_it_imports, actions))
    assert set(BEYOND_THE_STANDARD_LIBRARY) <= {label(part).partition("/")[2] for part in reached}


@pytest.mark.parametrize("path", CORE, ids=label)
def test_pure_core_does_no_input_or_output(path: Path) -> None:
    forbidden = {"os", "subprocess", "socket", "shutil", "tempfile", "urllib.request", "http.client", "fcntl"}
    assert not imports(path) & forbidden
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {call.id for call in calls if isinstance(call, ast.Name)} & {"open", "print", "exec", "eval"}


@pytest.mark.parametrize("path", SERVICES, ids=label)
def test_services_do_not_import_doors(path: Path) -> None:
    for name in imports(path):
        assert not any(name.startswith(f"{COLLECTION}.{kind}") for kind in DOOR_KINDS), name


@pytest.mark.parametrize("path", DOORS, ids=label)
def test_doors_are_thin(path: Path) -> None:
    """A door is arguments in, result out: at most about forty lines of code behind its documentation."""
    if path.parent.name == "callback":
        pytest.skip("a callback is called at every event: its door is as wide as Ansible's interface")
    module = ast.parse(path.read_text())
    code: set[int] = set()
    for statement in module.body:
        documentation = isinstance(statement, (ast.Assign, ast.Import, ast.ImportFrom)) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        )
        if not documentation:
            # Arguments are a table, however many lines it takes: statements are what is counted.
            code |= {node.lineno for node in ast.walk(statement) if isinstance(node, ast.stmt)}
    assert len(code) <= 40, f"{len(code)} lines of code"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=label)
def test_playbooks_are_short_and_hold_phases_only(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    for play in yaml.safe_load(text):
        for task in play.get("tasks", []):
            for inner in [*task.get("block", []), *task.get("rescue", [])] or [task]:
                assert {"ansible.builtin.include_role", "petal.hpc.run_guard"} & set(inner), inner


@pytest.mark.parametrize("path", PLAYBOOKS, ids=label)
def test_every_playbook_looks_at_the_run_first(path: Path) -> None:
    """A part of another playbook needs no look of its own: its first lines say that it is one."""
    if "part of" not in path.read_text().split("\n- ", 1)[0]:
        first = yaml.safe_load(path.read_text())[0]
        assert first.get("ansible.builtin.import_playbook") == "guard.yml"


@pytest.mark.parametrize("path", [*PLAYBOOKS, *ROLE_FILES], ids=label)
def test_the_provider_is_one_seam(path: Path) -> None:
    """Nothing asks which provider it is; steps are included by the provider's name, from its own directory."""
    if set(path.parts) & {*PROVIDERS, *KINDS}:
        return
    asked = re.findall(r"provider\s*[!=]=|==\s*['\"](?:local|aws)['\"]", path.read_text())
    assert not asked


def steps_of(role: str) -> set[str]:
    """The steps that a role includes by provider."""
    tasks = (ROOT / "roles" / role / "tasks").glob("*.yml")
    return {step for path in tasks for step in re.findall(r"\}\}/([a-z_]+)\.yml", path.read_text())}


@pytest.mark.parametrize("role", ["snapshots", "volume_build", "build_host"])
def test_every_provider_has_every_step(role: str) -> None:
    """What a role includes by provider exists for each provider that there is, and nothing else does."""
    assert steps_of(role)
    for provider in PROVIDERS:
        assert steps_of(role) <= {path.stem for path in (ROOT / "roles" / role / "tasks" / provider).glob("*.yml")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_cluster_has_the_steps_that_are_said_of_it(kind: str) -> None:
    """A step that a kind does not have is asked for in its list before it is included, and no file says only no."""
    cluster = ROOT / "roles" / "cluster"
    said = yaml.safe_load((cluster / "vars" / "main.yml").read_text())["cluster_steps_of"]
    assert sorted(said) == sorted(KINDS)
    assert set(said["inventory"]) == steps_of("cluster")
    assert set(said[kind]) <= {path.stem for path in (cluster / "tasks" / kind).glob("*.yml")}
    for step in steps_of("cluster") - set(said[kind]):
        assert not (cluster / "tasks" / kind / f"{step}.yml").exists()
        include = yaml.safe_load((cluster / "tasks" / f"{step}.yml").read_text())[0]
        assert include["when"] == f"'{step}' in cluster_steps"


def included(path: Path) -> Iterator[tuple[str, str]]:
    """The files of tasks that a file includes, as role and path below its tasks; without those named by a provider."""
    role = path.parts[path.parts.index("roles") + 1] if "roles" in path.parts else ""
    for one in walk(yaml.safe_load(path.read_text())):
        for key in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks"):
            if key in one:
                target = one[key]["file"] if isinstance(one[key], dict) else one[key]
                if "{{" not in target:
                    yield role, target
        if "ansible.builtin.include_role" in one:
            other = one["ansible.builtin.include_role"]
            # Where one of two roles does it, both have a file of the name.
            for name in re.findall(r"'(\w+)'", other["name"]) or [other["name"].removeprefix("petal.hpc.")]:
                yield name, f"{other.get('tasks_from', 'main')}.yml"


def walk(found: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in what YAML holds."""
    if isinstance(found, dict):
        yield found
    for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else []:
        yield from walk(inner)


@pytest.mark.parametrize("path", [*PLAYBOOKS, *ROLE_FILES], ids=label)
def test_what_is_included_is_there(path: Path) -> None:
    for role, target in included(path):
        places = [ROOT / "roles" / role / "tasks" / target, path.parent / target]
        assert any(place.is_file() for place in places), f"{role}: {target}"


def test_role_defaults_and_argument_specs_name_the_same_variables() -> None:
    """Argument specs only check: a default that is not in defaults/main.yml does not exist."""
    for role in sorted((ROOT / "roles").iterdir()):
        defaults = set(yaml.safe_load((role / "defaults" / "main.yml").read_text()) or {})
        entry_points = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        documented = {name for spec in entry_points.values() for name in spec.get("options", {})}
        required = {
            name
            for spec in entry_points.values()
            for name, option in spec.get("options", {}).items()
            if option.get("required")
        }
        assert documented - required <= defaults <= documented, role.name
        assert (role / "README.md").is_file(), role.name
        assert (role / "molecule" / "default" / "molecule.yml").is_file(), role.name
