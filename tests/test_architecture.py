"""Laws of the house: the arrows between the rooms, what every file must be, and what no file may hold."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
ROOMS = ("ranking", "game", "rewards", "server", "admin")
PURE = ("ranking", "game", "rewards")
ELSEWHERE = {"node_modules", "dist", "data", "reports", "__pycache__"}
CONTRACTS = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]

# One arrow against each contract, and against each way of leaving the rules' world.
WRONG_ARROWS = [
    ("ranking.wrong", "game"),
    ("ranking.wrong", "rewards"),
    ("game.wrong", "rewards"),
    ("game.wrong", "server"),
    ("rewards.wrong", "game"),
    ("rewards.wrong", "ranking"),
    ("server.wrong", "admin"),
    ("ranking.wrong", "sqlalchemy"),
    ("game.wrong", "asyncio"),
    ("rewards.wrong", "time"),
    ("game.wrong", "random"),
    ("server.flows.wrong", "sqlalchemy"),
]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", folder / "pyproject.toml"],
        cwd=folder, env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.fixture
def doll_house(tmp_path: Path) -> Path:
    """The same rooms and the same contracts with nothing in them: every module that a contract names, empty."""
    (tmp_path / "pyproject.toml").write_text((HOUSE / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    named = {name for contract in CONTRACTS for key in ("source_modules", "modules") for name in contract.get(key, ())}
    for name in {*ROOMS, *named}:
        package = tmp_path.joinpath(*name.split("."))
        for folder in (package, *package.parents):
            if folder == tmp_path:
                break
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
    return tmp_path


def test_every_arrow_between_the_rooms_runs_the_right_way():
    done = lint_imports(HOUSE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_empty_house_keeps_the_contracts(doll_house):
    done = lint_imports(doll_house)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_arrow_that_runs_the_wrong_way_is_caught(doll_house):
    for source in {source for source, _ in WRONG_ARROWS}:
        targets = [target for one, target in WRONG_ARROWS if one == source]
        lines = "".join(f"import {target}\n" for target in targets)
        doll_house.joinpath(*source.split(".")).with_suffix(".py").write_text(lines)
    done = lint_imports(doll_house)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    # A layer names the package that it reaches, a forbidden module the module.
    missed = [(source, target) for source, target in WRONG_ARROWS if f"{source} -> {target}" not in said]
    assert missed == []
    kept = [contract["name"] for contract in CONTRACTS if f"{contract['name']} BROKEN" not in said]
    assert kept == []


def python_files(*folders: str) -> list[Path]:
    roots = [HOUSE / folder for folder in folders] if folders else [HOUSE]
    return sorted(path for root in roots for path in files_below(root) if path.suffix == ".py")


def files_below(root: Path) -> Iterator[Path]:
    """The project's own files: not what was installed, built, cached or played."""
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name == ".ci" or (not name.startswith(".") and name not in ELSEWHERE)]
        yield from (Path(folder, name) for name in names)


def written_files() -> Iterator[tuple[Path, str]]:
    """Every file that a person could read."""
    for path in files_below(HOUSE):
        if path.is_file() and path.stat().st_size < 2_000_000:
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_every_python_file_begins_with_a_sentence_that_says_what_it_is():
    wordless = [str(path.relative_to(HOUSE)) for path in python_files() if not _begins_with_a_sentence(path)]
    assert wordless == []


def _begins_with_a_sentence(path: Path) -> bool:
    first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    whole = re.fullmatch(r'"""\S.*[.!?。:]"""', first)
    # A docstring that goes on says its sentence in the first line or, at most, in the first paragraph.
    begun = re.fullmatch(r'"""\S.*', first) and re.search(
        r"[.!?。:`]$", (first + "\n" + rest).split("\n\n")[0].rstrip('"')
    )
    return bool(whole or begun)


# Spelled in pieces, so that this file does not hold them itself.
FORBIDDEN = [".".join(words) for words in (
    ("pypi", "org/simple"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"), ("registry", "npmmirror",
    "com"), ("registry", "yarnpkg", "com"),
)] + ["-".join(words) for words in (("", "", "index", "url http"), ("", "", "extra", "index", "url"))]  # fmt: skip


def test_no_file_names_the_place_from_which_packages_come():
    """A lock with addresses would tie every machine to one registry, and break behind a mirror."""
    found = [
        (str(path.relative_to(HOUSE)), word) for path, text in written_files() for word in FORBIDDEN if word in text
    ]
    assert found == []


def test_there_is_no_second_lock():
    assert not any((HOUSE / name).exists() for name in ("uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock"))


CLOCKS_AND_DICE = re.compile(
    r"\b(datetime|date)\.(now|utcnow|today)\b|\b(np|numpy)\.random\.(?!Generator\b|default_rng\(\w)"
)
WORLDLY_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("room", PURE)
def test_rules_have_no_clock_no_dice_and_no_files_of_their_own(room):
    """Imports alone do not tell: `datetime.now()` needs none that is forbidden, nor does `open`."""
    found = []
    for path in python_files(room):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in WORLDLY_CALLS or CLOCKS_AND_DICE.search(ast.unparse(node)[:200]):
                found.append(f"{path.relative_to(HOUSE)}:{node.lineno}: {called}")
    assert found == []


def test_a_clock_in_a_rule_would_be_seen():
    seen = ["datetime.now(UTC)", "date.today()", "np.random.rand(3)", "np.random.default_rng()"]
    right = ["np.random.Generator", "np.random.default_rng(seed)", "now.date()", "rng.random(3)"]
    assert all(CLOCKS_AND_DICE.search(text) for text in seen)
    assert not any(CLOCKS_AND_DICE.search(text) for text in right)


def test_sql_is_spoken_only_in_the_stores_and_migrations():
    """The contract names the rooms of the server as they are today; this covers the file that is added tomorrow."""
    speakers = []
    for path in python_files("server", "admin"):
        at = path.relative_to(HOUSE).parts[:2]
        if at not in (("server", "stores"), ("server", "migrations")) and re.search(
            r"^\s*(from|import) sqlalchemy\b", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            speakers.append(str(path.relative_to(HOUSE)))
    assert speakers == []


def test_help_lists_every_verb_of_the_makefile():
    makefile = (HOUSE / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) - {"chromium"}
    said = subprocess.run(["make", "help"], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in said.splitlines()} == verbs
    promised = {"install", "demo", "test", "lint", "bench", "serve", "work", "migrate", "help"}
    assert promised <= verbs
