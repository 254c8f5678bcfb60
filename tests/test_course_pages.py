"""The course's pages of formulas and terms: every number has its entry, and what they name exists."""

import re
import unicodedata
from pathlib import Path

import pytest

import minigan as mg

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "notebooks"
FORMULAS, GLOSSARY = ((COURSE / name).read_text(encoding="utf-8") for name in ("formulas.md", "glossary.md"))
NUMBERS = [f"F{i}" for i in range(1, 15)] + [f"N{i}" for i in range(1, 9)] + [f"X{i}" for i in range(1, 20)]


def test_every_number_has_its_entry_in_its_order():
    assert re.findall(r'^<a id="([fnx]\d+)"></a>\n## ([FNX]\d+)\. \S', FORMULAS, re.MULTILINE) == [
        (number.lower(), number) for number in NUMBERS]


def test_every_number_that_the_package_or_the_readme_cites_has_an_entry():
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "minigan").rglob("*.py")]]
    cited = {number for text in texts for number in re.findall(r"\b[FNX][1-9]\d?\b", text)}
    assert cited - set(NUMBERS) <= {"F1"}  # which is also the name of a metric


@pytest.mark.parametrize("number", [n for n in NUMBERS if n[0] != "X"])
def test_a_formula_or_network_says_where_it_stands_and_what_it_is_called(number):
    entry = re.split(r"^## ", FORMULAS, flags=re.MULTILINE)[1:]
    entry = next(text for text in entry if text.startswith(number + "."))
    assert re.search(r"\* Document \d{3}, §\d", entry) and "* Code: " in entry


def test_quotations_from_the_documents_are_translated():
    assert all(re.match(r'\s*(?:,\s+"|of |and |likewise|inside)', after)
               for after in re.findall(r"」([^「]{0,30})", FORMULAS))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`mg\.([a-z]\w+(?:\.\w+)*)`", FORMULAS + GLOSSARY))))
def test_every_name_of_minigan_exists(name):
    thing = mg
    for part in name.split("."):
        thing = getattr(thing, part)


def test_every_objective_and_model_exists():
    for kind, known in (("objective", mg.losses.OBJECTIVES), ("model", mg.models.MODELS)):
        for names in re.findall(rf"{kind}s? (`[\w-]+`(?:(?:,| and|, alias) `[\w-]+`)*)", FORMULAS):
            assert set(re.findall(r"`([\w-]+)`", names)) <= set(known)


def test_terms_are_in_alphabetical_order_and_each_has_its_anchor():
    rows = re.findall(r'^\| <a id="([\w-]+)"></a>(.+?) \| (.+?) \| (.+?) \| (.*) \|$', GLOSSARY, re.MULTILINE)
    assert len(rows) > 90 and len(rows) == GLOSSARY.count("\n| <a ")
    terms = [term for _, term, *_ in rows]
    assert terms == sorted(terms, key=str.lower) and len(set(terms)) == len(terms)
    plain = [unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode().lower() for term in terms]
    assert [anchor for anchor, *_ in rows] == [re.sub(r"[^a-z0-9]+", "-", term).strip("-") for term in plain]


@pytest.mark.parametrize("name", ["formulas.md", "glossary.md"])
def test_links_lead_somewhere(name):
    text = (COURSE / name).read_text(encoding="utf-8")
    for path, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        target = COURSE / (path or name)
        assert target.exists(), path
        assert not anchor or f'id="{anchor}"' in target.read_text(encoding="utf-8"), anchor
