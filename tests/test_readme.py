"""What the README says runs, and what it names exists."""

import re
from pathlib import Path

import pytest

import minigan as mg

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(block.replace("== 500", "== 2").replace("% 100", "% 1"), names)
    assert (tmp_path / "digits.png").is_file()
    assert "gradient of order 2: right" in capsys.readouterr().out


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_its_pictures_and_links_exist(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:losses|models|train)\.(?!py)[a-z_]+)(?:\*?)`", README))))
def test_every_function_in_its_tables_exists(name):
    module, _, function = name.partition(".")
    assert any(public.startswith(function) for public in getattr(mg, module).__all__)
