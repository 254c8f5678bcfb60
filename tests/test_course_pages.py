"""The course's pages of formulas and terms: every number has its entry, and what they name exists.

Each entry has a mark of its own, `<a id="f5"></a>`, because headings are no common ground: `## F5. The loss` is
`#f5-the-loss` on GitHub and `#F5.-The-loss` in JupyterLab and nbconvert. A mark is `#f5` in all of them.
"""

import json
import re
import unicodedata
from pathlib import Path

import pytest

import minigan as mg
import minigan.games

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "notebooks"
PAGES = {name: (COURSE / name).read_text(encoding="utf-8") for name in ("formulas.md", "glossary.md")}
FORMULAS, GLOSSARY = PAGES.values()
NUMBERS = [f"F{i}" for i in range(1, 15)] + [f"N{i}" for i in range(1, 9)] + [f"X{i}" for i in range(1, 20)]
ENTRIES = {text.partition(".")[0]: re.split("^# |^<a", text, flags=re.MULTILINE)[0]
           for text in re.split(r"^## ", FORMULAS, flags=re.MULTILINE)[1:]}
ROWS = re.findall(r'^\| <a id="([\w-]+)"></a>(.+?) \| (.+?) \| (.+?) \| (.+?) \|$', GLOSSARY, re.MULTILINE)
INDEX = re.findall(r"^\| ([^<|]+?) \| (\[.+\)) \|$", GLOSSARY.partition("## By the Chinese term")[2], re.MULTILINE)
OF_MINIGAN = r"`(?:(?:mg|minigan)\.)?((?:losses|metrics|models|train|nn|games)(?:\.[A-Za-z_]\w*)+)`"


def marks(text):
    return re.findall(r'<a id="([\w-]+)"></a>', text)


# --- formulas.md ---


def test_every_number_has_its_entry_in_its_order():
    assert re.findall(r'^<a id="([fnx]\d+)"></a>\n## ([FNX]\d+)\. \S', FORMULAS, re.MULTILINE) == [
        (number.lower(), number) for number in NUMBERS]


def test_every_number_that_the_package_or_the_readme_cites_has_an_entry():
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "minigan").rglob("*.py")]]
    cited = {number for text in texts for number in re.findall(r"\b[FNX][1-9]\d?\b", text)}
    assert cited >= {"F1", "F14", "N1", "N8", "X1"} and cited <= set(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_an_entry_says_where_it_stands_and_what_becomes_of_it(number):
    parts = ["* Wrong", "* Right"] if number[0] == "X" else ["* Code: "]
    for part in ["* Document 00", *parts, "* Notebooks: "]:
        assert ENTRIES[number].count(f"\n{part}") == 1, part
    assert re.search(r"\* Document 00\d, §\d", ENTRIES[number])
    assert number[0] != "F" or re.search(r"^\$\$.+\$\$$", ENTRIES[number], re.MULTILINE)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_notebook_or_exercise_that_an_entry_names_speaks_of_it(number):
    for path in re.findall(r"\]\(([\w/]+\.ipynb)\)", ENTRIES[number]):
        cells = json.loads((COURSE / path).read_text(encoding="utf-8"))["cells"]
        assert re.search(rf"\b{number}\b", "\n".join("".join(cell["source"]) for cell in cells)), path


def test_every_quotation_from_a_document_is_translated():
    after = re.findall(r"」(.{0,30})", FORMULAS[FORMULAS.index('<a id="f1">'):], re.DOTALL)
    assert len(after) > 40
    assert not [text for text in after if not re.match(r'(?: of [DG])?,\s+"', text)]


def test_every_objective_and_model_exists():
    for kind, known in (("objective", mg.losses.OBJECTIVES), ("model", mg.models.MODELS)):
        lists = re.findall(rf"{kind}s? (`[\w-]+`(?:(?:,| and|, alias) `[\w-]+`)*)", FORMULAS)
        assert len(lists) > 4
        assert {name for names in lists for name in re.findall(r"`([\w-]+)`", names)} <= set(known)


# --- glossary.md ---


def test_terms_are_in_alphabetical_order_and_each_has_its_mark():
    plain = [unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode().lower() for _, term, *_ in ROWS]
    assert len(ROWS) > 90 and len(ROWS) == GLOSSARY.count("\n| <a ")
    assert plain == sorted(plain) and len(set(plain)) == len(plain)
    assert [mark for mark, *_ in ROWS] == [re.sub(r"[^a-z0-9]+", "-", term).strip("-") for term in plain]


def test_a_chinese_term_has_its_documents_or_is_marked_as_from_elsewhere():
    terms = [term for _, _, chinese, *_ in ROWS for term in re.split(r", (?!\d)", chinese)]
    assert not [term for term in terms if not re.fullmatch(r"[^°()]+(?:°| \(00\d(?:[–,] ?00\d)*\))", term)]


def test_the_index_has_every_chinese_term_with_all_its_meanings():
    meanings = {}
    for mark, term, chinese, *_ in ROWS:
        for word in re.sub(r" \([\d–, ]+\)|°", "", chinese).split(", "):
            meanings.setdefault(word, []).append((term, mark))
    assert {word: sorted(re.findall(r"\[(.+?)\]\(#(.+?)\)", links)) for word, links in INDEX} == {
        word: sorted(pairs) for word, pairs in meanings.items()}
    assert len(INDEX) == len(meanings)


def test_the_index_is_in_the_order_of_pinyin():
    codes = [word[0].encode("gbk") for word, _ in INDEX]
    common = [code for code in codes if b"\xb0\xa1" <= code <= b"\xd7\xf9"]  # which GB 2312 has in that order
    assert len(common) > 100 and common == sorted(common)
    assert [len(code) for code in codes] == sorted(len(code) for code in codes)  # Latin letters first


# --- both ---


@pytest.mark.parametrize("name", PAGES)
def test_no_mark_occurs_twice(name):
    assert len(set(marks(PAGES[name]))) == len(marks(PAGES[name])) > 40


@pytest.mark.parametrize("name", sorted(set(re.findall(OF_MINIGAN, FORMULAS + GLOSSARY))))
def test_every_name_of_minigan_exists(name):
    thing = minigan
    for part in name.split("."):
        thing = getattr(thing, part)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", PAGES[name])
    assert len(links) > 100
    for path, mark in links:
        assert not path or (COURSE / path).is_file(), path
        assert not mark or mark in marks(PAGES[path or name]), mark
