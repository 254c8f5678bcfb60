"""The API reference: the README's command builds it, every public name is in it, and it reads as it was written."""

import ast
import importlib
import inspect
import re
import shlex
from functools import cached_property
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import FunctionType

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
         for path in sorted((ROOT / "minigan").rglob("*.py")) if path.name != "__main__.py"}
MODULES = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in FILES]


class Page(HTMLParser):
    """What a reader sees in the docstrings of a page (code as "…"), code without a link, links, and their targets."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.links, self.ids, self.code, self._open = [""], [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag not in ("br", "input", "img", "link", "meta", "wbr"):
            self._open.append((tag, attributes.get("class") or ""))
        if tag in ("p", "dt", "dd", "li", "td"):
            self.seen.append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, text):
        tags = [tag for tag, _ in self._open]
        if any("docstring" in style for _, style in self._open):
            code = "code" in tags or "pre" in tags
            self.seen[-1] += "…" if code else text
            if code and "a" not in tags:
                self.code.append(text)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{module: Page}, built by the command of the README; as everywhere in the tests, a warning is an error."""
    pytest.importorskip("pdoc", reason="the API reference is built by pdoc: pip install '.[docs]'")
    from pdoc.__main__ import cli

    out = tmp_path_factory.mktemp("api")
    words = shlex.split(re.search(r"&& pdoc (.*)$", README, re.MULTILINE)[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        words[words.index("-o") + 1] = str(out)
        cli([*words, "--no-show-source", "--no-search"])  # two parts that minigan has no hand in, and that take time
    return {".".join(path.relative_to(out).with_suffix("").parts): Page(path.read_text(encoding="utf-8"))
            for path in out.rglob("*.html") if path.name != "index.html"}


def docstrings():
    """(module, docstring) of everything in minigan that a page may show."""
    for path, module in zip(FILES, MODULES):
        for node in ast.walk(FILES[path]):
            is_object = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
            if (is_object or isinstance(node, ast.Module)) and ast.get_docstring(node):
                yield module, ast.get_docstring(node)


def public_names():
    """(address, object, variables with a docstring) of every name in an `__all__`, in the module that defines it."""
    for path, module in zip(FILES, MODULES):
        body = FILES[path].body
        documented = {name.id for statement, text in pairwise(body) if isinstance(statement, ast.Assign)
                      and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                      for name in statement.targets if isinstance(name, ast.Name)}
        assigned = {name.id for statement in body if isinstance(statement, ast.Assign)
                    for name in statement.targets if isinstance(name, ast.Name)}
        loaded = importlib.import_module(module)
        for name in loaded.__all__:
            value = getattr(loaded, name, None)  # None for a module that nothing has imported yet
            if name in assigned or getattr(value, "__module__", None) == module:
                yield f"{module}.{name}", value, documented


def test_every_module_has_a_page(pages):
    assert set(pages) == set(MODULES)


def test_every_module_says_what_it_is():
    assert [module for path, module in zip(FILES, MODULES) if not ast.get_docstring(FILES[path])] == []


def test_every_public_name_has_a_docstring():
    assert [address for address, value, documented in public_names()
            if not (inspect.getdoc(value) if inspect.isroutine(value) or inspect.isclass(value)
                    else address.rpartition(".")[2] in documented)] == []


def test_every_public_method_and_property_has_a_docstring():
    kinds = FunctionType | property | cached_property | classmethod | staticmethod
    assert [f"{address}.{name}" for address, value, _ in public_names() if inspect.isclass(value)
            for base in value.__mro__ if base.__module__.startswith("minigan")
            for name, member in vars(base).items()
            if not name.startswith("_") and isinstance(member, kinds) and not inspect.getdoc(getattr(value, name)
            if isinstance(member, classmethod | staticmethod) else member)] == []


def test_every_public_name_is_on_its_page(pages):
    missing = [address for address, _, _ in public_names()
               if address.rpartition(".")[2] not in pages[address.rpartition(".")[0]].ids]
    assert missing == []


def test_no_page_shows_markup(pages):
    marks = re.compile(r"`|\*\*|^\s*[-*] |\|---|^#|(?<!\\)\\\(|\S+ +: ")
    assert [(module, text) for module, page in pages.items() for text in page.seen
            if text.count("$") % 2 or marks.search(re.sub(r"\$[^$]*\$", "…", text))] == []


def test_code_in_a_docstring_stays_code():
    # Python strips the indentation that all lines below the first have in common: code alone would become prose.
    objects = [(path, node) for path, tree in FILES.items() for node in ast.walk(tree)
               if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)]
    lines = [(path, node.body[0].col_offset, [line for line in ast.get_docstring(node, clean=False).split("\n")[1:]
                                              if line.strip()]) for path, node in objects]
    assert [(path, text) for path, offset, text in lines
            if text and all(line.startswith(" " * (offset + 1)) for line in text)] == []


def test_every_formula_comes_through_whole(pages):
    seen = {module: " ".join(" ".join(page.seen).split()) for module, page in pages.items()}
    lost = [(module, formula) for module, text in docstrings()
            for formula in re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, re.DOTALL)
            if " ".join(formula.split()) not in seen[module]]
    assert lost == []


def test_every_link_leads_somewhere(pages):
    dead = []
    for module, page in pages.items():
        for link in page.links:
            if link.startswith("http"):
                continue
            file, _, place = link.partition("#")
            parts = module.split(".")[:-1]
            for part in file.removesuffix(".html").split("/") if file else ():
                parts = parts[:-1] if part == ".." else parts if part == "." else [*parts, part]
            target = ".".join(parts) if file else module
            if target not in {*pages, "index"} or (place and place not in pages[target].ids):
                dead.append((module, link))
    assert dead == []


def test_every_name_of_minigan_in_a_docstring_exists(pages):
    assert [(module, code) for module, page in pages.items() for code in page.code if code.startswith("minigan.")] == []


def test_every_formula_and_network_that_a_docstring_cites_is_in_the_readme():
    numbers = set(re.findall(r"^\| ([FN]\d+) \|", README, re.MULTILINE))
    cited = {number for _, text in docstrings() for number in re.findall(r"\b[FN]\d+\b", text)}
    assert len(numbers) == 22  # F1 to F14, N1 to N8
    assert cited - numbers == set()
