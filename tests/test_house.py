"""The rules of the house: what every file has to be, whatever it is about."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import tidings

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "tidings"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Where packages come from is every machine's own business. Put together here, so that this file does not name them.
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("docker", "io"),
    ]
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked_files() -> list[Path]:
    """What is, or would be, committed. The owner of a checkout may be somebody else."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# The public surface.


def test_all_is_what_the_package_offers():
    """Every name in `tidings.__all__` can be imported, and no public name of the package is missing there."""
    promised = set(getattr(tidings, "__all__", ()))
    public = {name for name, value in vars(tidings).items() if name[0] != "_" and not isinstance(value, ModuleType)}
    assert {name for name in promised if not hasattr(tidings, name)} == set()
    assert public - promised - {"annotations"} == set()


def test_every_public_name_says_what_it_is():
    """Whatever `from tidings import …` can bring has a docstring of its own."""
    public = {name: getattr(tidings, name) for name in getattr(tidings, "__all__", ()) if name != "__version__"}
    assert [name for name, value in public.items() if not value.__doc__] == []


# Files.


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_begins_by_saying_what_it_promises(path: Path):
    """Every module has a docstring at its top; only a file without any code may stay empty."""
    tree = ast.parse(path.read_text())
    assert not tree.body or ast.get_docstring(tree)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short(path: Path):
    """A file of more than 450 lines is about more than one thing."""
    assert len(path.read_text().splitlines()) <= 450


@pytest.mark.parametrize("path", [path for path in MODULES if PACKAGE / "cli" not in path.parents], ids=name_of)
def test_only_the_terminal_program_prints(path: Path):
    """A library that prints cannot be told to be silent."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if isinstance(call, ast.Name) and call.id == "print"] == []


def test_nobody_names_a_registry():
    """No file of the project says where packages are downloaded from."""
    found = [
        f"{name_of(path)}: {host}"
        for path in tracked_files()
        for host in REGISTRIES
        if host.encode() in path.read_bytes()
    ]
    assert found == []


@pytest.mark.parametrize("name", ["constraints.txt", "tests/world/package-lock.json"])
def test_lock_files_hold_versions_and_no_addresses(name: str):
    """What is installed is fixed by version; from where is not fixed at all."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert '"resolved"' not in text
    assert " @ " not in text


def test_constraints_pin_exactly():
    """Every line of the constraints names one package and one version."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


# The ladder of imports.


@pytest.fixture(scope="module")
def ladder() -> list[str]:
    """The rungs as import-linter is told of them, without the name of the package."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    return [rung.replace("tidings.", "") for rung in contract["layers"]]


def test_the_ladder_is_drawn_as_it_is_held(ladder: list[str]):
    """The drawing in docs/design.md is, rung by rung, the contract that import-linter checks."""
    drawings = re.findall(r"```\n(.*?)```", (ROOT / "docs" / "design.md").read_text(), re.DOTALL)
    assert ladder in [drawing.splitlines() for drawing in drawings]


def test_every_part_stands_on_the_ladder(ladder: list[str]):
    """Each folder and module of the package is on a rung; names in brackets are those that nobody has built yet."""
    names = {name for rung in ladder for name in re.split(r" [|:] ", rung)}
    built = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    reserved = {name.strip("()") for name in names if name.startswith("(")}
    assert built - {"__init__", "__main__"} == {name for name in names if not name.startswith("(")}
    assert not reserved & built


# The documentation.


@pytest.fixture(scope="module")
def faults():
    return runpy.run_path(str(ROOT / "docs" / "check.py"))["faults"]


def test_the_documentation_refers_to_what_is_there(faults):
    """Every link, path and Python block of the README and of docs/ is good."""
    assert list(faults(ROOT)) == []


def test_bad_references_are_found(faults, tmp_path: Path):
    """A dead link, a dead heading, a dead path and code that does not compile are each told with their line."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(
        "# Top\n[a](docs/none.md) [b](#top) [c](#bottom)\n`docs/none.py`\n\n```python\nawait it\nx = = 1\n```\n"
    )
    assert list(faults(tmp_path)) == [
        "README.md:2: no such file: docs/none.md",
        "README.md:2: no such heading: #bottom",
        "README.md:3: no such path: docs/none.py",
        "README.md:7: not Python: invalid syntax",
    ]
