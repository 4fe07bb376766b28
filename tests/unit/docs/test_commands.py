"""Every command that README and docs show can be typed as it stands, and is run by a test or said not to be."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import yaml
from ansible.cli.playbook import PlaybookCLI
from pages import PAGES, ROOT, Block, blocks, commands_in_text

from ansible_collections.petal.hpc.plugins.module_utils._run.variables import SITE_VARIABLES
from ansible_collections.petal.hpc.plugins.plugin_utils.run_guard import known_variables

BLOCKS = [block for page in PAGES for block in blocks(page)]
OF_COMMANDS = [block for block in BLOCKS if block.language == "console"]
COMMANDS = [
    *((str(block), command) for block in OF_COMMANDS for command in block.commands),
    *(found for page in PAGES for found in commands_in_text(page)),
]
PLAYBOOKS = [(place, command) for place, command in COMMANDS if "ansible-playbook" in command]
TARGETS = [(place, command) for place, command in COMMANDS if command.startswith("make ")]
#: What only stands for something: FILE, ID, SNAPSHOT-ID.
PLACEHOLDER = re.compile(r"[A-Z][A-Z-]*")


def test_pages_have_blocks_of_commands() -> None:
    """That the reading finds them: without it the tests below would look at nothing."""
    assert {"README.md", "docs/aws.md", "docs/stores.md"} <= {block.page for block in OF_COMMANDS}
    assert any("make quickstart" in block.commands for block in OF_COMMANDS)
    assert {"ansible-playbook", "make"} <= {command.split()[0] for _place, command in COMMANDS}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_commands_stand_in_blocks_of_commands(block: Block) -> None:
    """Where people look for them, and where the tests below see them."""
    if block.language == "console":
        assert block.commands, "a block of commands has none: begin each with $, or with # for root"
    else:
        hidden = [line for line in block.lines if re.match(r"\s*(\$ |ansible-playbook |ansible-galaxy |make )", line)]
        assert hidden == [], "these look like commands: call the block console, and begin each with $"


def words(command: str) -> list[str]:
    """The words of the ansible-playbook in a command, from its name to its end or to the next command."""
    found = shlex.split(command.split(" && ")[-1])
    return found[next(index for index, word in enumerate(found) if word.endswith("ansible-playbook")) :]


@pytest.mark.parametrize(("place", "command"), PLAYBOOKS)
def test_a_playbook_is_there_and_its_options_are_known(place: str, command: str) -> None:
    cli = PlaybookCLI(words(command))
    cli.init_parser()
    options = cli.parser.parse_args(words(command)[1:])
    for playbook in set(options.args) - shown_files(place.partition(":")[0]):
        name = playbook.removeprefix("petal.hpc.").removeprefix("playbooks/").removesuffix(".yml")
        assert playbook in (f"petal.hpc.{name}", f"playbooks/{name}.yml"), f"{place}: {playbook}"
        assert (ROOT / "playbooks" / f"{name}.yml").is_file() or PLACEHOLDER.fullmatch(name), f"{place}: {playbook}"


def shown_files(page: str) -> set[str]:
    """Files that a page or README.md shows: their blocks begin with a comment that has the name."""
    found: set[str] = set()
    for block in BLOCKS:
        if block.page in ("README.md", page) and block.language == "yaml" and block.lines:
            found |= set(re.findall(r"^# ([\w.-]+\.ya?ml)\b", block.lines[0]))
    return found


@pytest.mark.parametrize(("place", "command"), PLAYBOOKS)
def test_extra_variables_are_known_and_files_are_there(place: str, command: str) -> None:
    given = [value for option, value in zip(words(command), words(command)[1:], strict=False) if option == "-e"]
    shown = shown_files(place.partition(":")[0])
    for text in given:
        if text.startswith("@"):
            assert text[1:] in shown, f"{place}: no page shows {text[1:]}"
            continue
        variables = dict(yaml.safe_load(text)) if text.startswith("{") else dict([text.split("=", 1)])
        unknown = set(variables) - known_variables() - SITE_VARIABLES
        assert unknown == set(), f"{place}: there are no such extra variables"
        seed = str(variables.get("seed", "FILE"))
        is_there = seed in shown or (ROOT / seed).is_file()
        assert is_there or PLACEHOLDER.fullmatch(seed), f"{place}: {seed} is no file, and no page shows it"


@pytest.mark.parametrize(("place", "command"), TARGETS)
def test_targets_are_in_the_makefile_and_read_what_they_are_given(place: str, command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in shlex.split(command)[1:]:
        name, is_given, _value = word.partition("=")
        if is_given:
            assert f"$({name}" in makefile or f"$(or $({name})" in makefile, f"{place}: nothing reads {name}"
        else:
            assert re.search(rf"^(\S+ )*{re.escape(name)}( \S+)*:", makefile, re.MULTILINE), f"{place}: {name}"


def test_the_two_commands_do_what_the_readme_says() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^quickstart: setup .*\n((?:\t.*\n)+)", rules, re.MULTILINE)
    assert recipe is not None
    played = re.findall(r"playbooks/(\w+)\.yml -e seed=seeds/quickstart\.yaml", recipe[1])
    assert played == ["build_volume", "deploy_cluster"]
    assert re.search(r"^test: setup-dev ", rules, re.MULTILINE)


@cache
def parts(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What a file of tests consists of, by name: its own functions, classes and constants; what it has of tests/lab."""
    text = path.read_text(encoding="utf-8")
    own: dict[str, str] = {}
    lab: dict[str, str] = {}
    for node in ast.parse(text).body:
        source = ast.get_source_segment(text, node) or ""
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            # A test in a class is called by its own name, too.
            inside = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            own |= dict.fromkeys([node.name, *inside], source)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            own |= {target.id: source for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            file = ROOT / "tests" / "lab" / f"{(node.module or '').replace('.', '/')}.py"
            if file.is_file():
                lab |= {alias.asname or alias.name: file.read_text(encoding="utf-8") for alias in node.names}
    return own, lab


def text_of(name: str) -> str:
    """All that a test consists of: its own text, that of what it calls in its file, of its fixtures and of tests/lab.

    :param name: FILE::TEST, or the path of a case or of a script.
    """
    file, _colons, test = name.partition("::")
    if not test:
        return (ROOT / file).read_text(encoding="utf-8")
    own, lab = parts(ROOT / file)
    ahead, seen = [test], set()
    while ahead:
        current = ahead.pop()
        if current in own and current not in seen:
            seen.add(current)
            ahead += re.findall(r"\w+", own[current])
        elif current in lab:
            seen.add(current)
    return "\n".join(own.get(one) or lab[one] for one in sorted(seen))


def asked_of(command: str) -> list[str]:
    """The words that whoever runs a command has in its text."""
    if "ansible-playbook" not in command:
        first, *_rest = command.split()
        return [command] if first == "make" else [first] if first not in (".", "cd", "export") else []
    variables = [name for name in re.findall(r"-e ([a-z_]+)=", command) if name != "seed"]
    return [*re.findall(r"(?:petal\.hpc\.|playbooks/)([a-z_]+)", command), *variables]


@pytest.mark.parametrize("block", OF_COMMANDS, ids=str)
def test_a_block_is_run_by_a_test_or_says_that_it_is_not(block: Block) -> None:
    assert bool(block.run_by) != block.is_said_not_to_run, (
        "directly above the block: <!-- run by tests/integration/test_x.py::test_y -->; "
        "or below it, for people: *Not run by the tests: WHY.*"
    )
    for name in block.run_by:
        file, _colons, test = name.partition("::")
        assert (ROOT / file).is_file(), name
        assert not test or test in parts(ROOT / file)[0], name
        assert test or not file.endswith(".py"), f"{name}: name the test, as FILE::TEST"
    texts = "\n".join(text_of(name) for name in block.run_by)
    # Who reads the blocks from the page runs them as they stand.
    if block.run_by and f'blocks_of("{block.page}"' not in texts:
        missing = {word for command in block.commands for word in asked_of(command) if not named(word, texts)}
        assert missing == set(), "none of those tests has these words"


def named(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def test_what_a_test_consists_of_is_found() -> None:
    """Itself, what it calls in its file, and what it takes from tests/lab; not what others in its file do."""
    text = text_of(
        "tests/integration/test_cluster.py::test_a_cluster_takes_what_is_signed_changes_between_jobs_and_goes_back"
    )
    assert named("rollback", text)
    one = text_of("tests/integration/test_build_volume.py::test_check_mode_shows_the_plan_and_changes_nothing")
    assert named("build_volume", one)
    assert not named("keep_on_failure", one)
