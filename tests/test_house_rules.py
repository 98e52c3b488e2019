"""The rules of the house, counted: exemptions stand here by name, and their number only ever falls."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "src" / "confluence_sync").rglob("*.py"))
COMPILED = sorted((ROOT / "compiled").rglob("*.pyx"))
TESTS = sorted(file for file in (ROOT / "tests").rglob("test_*.py"))

LONGEST_FUNCTION, LONGEST_FILE, DEEPEST = 40, 250, 3

CATCHES_EVERYTHING = {"cli.py": 1, "worker.py": 1}
"""Only the command line, which turns what nobody foresaw into exit 1."""

TOUCHES_THE_ENVIRONMENT = {
    "settings_files.py",  # reads it: settings come from one place, so that --help, .env.example and the tests know all of them
    "llm_litellm.py",  # sets a switch that the package reads at its import
    "service/syncing.py",  # hands it on, whole, to the run that it starts
}

NAMES_NOBODY_NEEDS = ("manager", "handler", "helper", "utils", "util")


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT / "src" / "confluence_sync"))


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring, as a reader counts them."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


NESTING = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def depth(node: ast.AST, within: int = 0) -> int:
    """How many loops, conditions and the like stand inside each other; elif is no step deeper, a function inside begins anew."""
    deepest = within
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                continue
            is_elif = field == "orelse" and isinstance(node, ast.If) and isinstance(child, ast.If) and len(value) == 1
            deepest = max(deepest, depth(child, within + (isinstance(child, NESTING) and not is_elif)))
    return deepest


def broad(tree: ast.AST) -> int:
    """How many handlers catch Exception or everything (BaseException is caught only to be raised again)."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return sum(1 for one in handlers if one.type is None or (isinstance(one.type, ast.Name) and one.type.id == "Exception"))


def environment(tree: ast.AST) -> bool:
    reads = ("environ", "getenv", "putenv")
    return any(
        isinstance(n, ast.Attribute) and n.attr in reads and isinstance(n.value, ast.Name) and n.value.id == "os" for n in ast.walk(tree)
    )


def test_nothing_catches_everything() -> None:
    """`except Exception` hides bugs: one reports them, and one hands them to the run, which is in another process."""
    found = {name_of(file): broad(parsed(file)) for file in FILES}
    assert {name: count for name, count in found.items() if count} == CATCHES_EVERYTHING


def test_what_is_caught_at_the_root_is_raised_again() -> None:
    """A handler of BaseException, which signals pass through, ends by raising."""
    silent = []
    for file in FILES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "BaseException":
                silent += [] if any(isinstance(n, ast.Raise) for n in ast.walk(node)) else [f"{name_of(file)}:{node.lineno}"]
    assert silent == []


def test_the_environment_is_read_in_one_place() -> None:
    """os.environ belongs to the reader of settings; who else touches it has said why."""
    assert {name_of(file) for file in FILES if environment(parsed(file))} <= TOUCHES_THE_ENVIRONMENT


def test_functions_fit_on_a_screen() -> None:
    """No function is longer than forty lines."""
    assert [
        f"{name_of(file)}:{f.name} {length(f)}" for file in FILES for f in functions(parsed(file)) if length(f) > LONGEST_FUNCTION
    ] == []


def test_most_functions_are_short() -> None:
    """Half of all functions have at most six lines, nine of ten at most fifteen."""
    lengths = sorted(length(f) for file in FILES for f in functions(parsed(file)))
    assert lengths[len(lengths) // 2] <= 6
    assert lengths[len(lengths) * 9 // 10] <= 15


def test_files_have_one_subject() -> None:
    """No file is longer than 250 lines."""
    lines = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in (*FILES, *COMPILED)}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_nothing_is_nested_deeply() -> None:
    """At most three loops, conditions or the like stand inside each other."""
    assert {f"{name_of(file)}:{f.name}" for file in FILES for f in functions(parsed(file)) if depth(f) > DEEPEST} == set()


def test_exemptions_are_frozen() -> None:
    """Three files are exempted; a smaller number here is progress, a larger one is not."""
    assert len(TOUCHES_THE_ENVIRONMENT) <= 3


def test_every_module_says_what_it_is_for() -> None:
    """A module's docstring is one sentence to begin with."""
    first = {name_of(file): (ast.get_docstring(parsed(file)) or "").split("\n\n")[0] for file in FILES}
    assert [name for name, text in first.items() if not text.rstrip(":").endswith((".", "`", "?")) and "." not in text] == []


def test_names_are_words_of_the_domain() -> None:
    """No module or class is called a manager, handler, helper or utils."""
    names = [file.stem for file in FILES]
    names += [node.name for file in FILES for node in ast.walk(parsed(file)) if isinstance(node, ast.ClassDef)]
    assert [name for name in names if name.lower().strip("_").endswith(NAMES_NOBODY_NEEDS)] == []


@pytest.mark.parametrize("file", TESTS, ids=lambda file: str(file.relative_to(ROOT / "tests")))
def test_every_test_says_what_holds(file: Path) -> None:
    """Each test function has a docstring, a sentence that ends."""
    tests = [f for f in functions(parsed(file)) if f.name.startswith("test_")]
    assert [f.name for f in tests if not (ast.get_docstring(f) or "").rstrip().endswith((".", "!", "?"))] == []


def test_skips_have_a_reason() -> None:
    """A skip without its reason is a test that is not there."""
    bare = []
    for file in TESTS:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("skip", "skipif", "xfail"):
                given = node.args[1:] if node.func.attr == "skipif" else node.args
                bare += [] if given or any(word.arg == "reason" for word in node.keywords) else [f"{file.name}:{node.lineno}"]
    assert bare == []


def test_imports_read_downwards() -> None:
    """The layers of the design hold; import-linter names what does not."""
    words = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


# the rules can be broken


@pytest.mark.parametrize(
    ("code", "deep"),
    [
        ("def f():\n if a:\n  for b in c:\n   with d:\n    e()", 3),
        ("def f():\n if a:\n  for b in c:\n   with d:\n    while e:\n     g()", 4),
        ("def f():\n if a:\n  b()\n elif c:\n  d()\n elif e:\n  g()", 1),
        ("def f():\n if a:\n  b()\n else:\n  if c:\n   d()\n  e()", 2),
        ("def f():\n if a:\n  def g():\n   if b:\n    c()", 1),
        ("def f():\n try:\n  a()\n except B:\n  if c:\n   d()", 2),
    ],
)
def test_depth_is_counted(code: str, deep: int) -> None:
    """Nesting is what a reader has to keep in mind."""
    [outer, *_] = functions(ast.parse(code))
    assert depth(outer) == deep


def test_broad_handlers_and_the_environment_are_seen() -> None:
    """The three ways to catch everything, and the ways to read the environment, are found."""
    assert broad(ast.parse("try:\n a()\nexcept Exception:\n b()")) == 1
    assert broad(ast.parse("try:\n a()\nexcept:\n b()")) == 1
    assert broad(ast.parse("try:\n a()\nexcept (ValueError, KeyError):\n b()")) == 0
    assert environment(ast.parse("import os\nx = os.environ['A']"))
    assert environment(ast.parse("import os\nx = os.getenv('A')"))
    assert not environment(ast.parse("x = site.environ"))


def test_length_is_counted_without_the_docstring() -> None:
    """A long explanation does not make a function long."""
    [function] = functions(ast.parse('def f():\n """One.\n\n Two.\n """\n a()\n b()'))
    assert length(function) == 2
