"""The translation source is complete: every text of the panel is in it, under the context where Slicer looks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import translations


def test_the_committed_source_is_up_to_date(tmp_path: Path) -> None:
    translations.write(tmp_path / "now.ts")
    now = (tmp_path / "now.ts").read_text(encoding="utf-8")
    assert now == translations.translations.read_text(encoding="utf-8"), "run python Testing/translations.py"


def test_texts_of_code_and_of_the_ui_file_are_in_it() -> None:
    source = translations.translations.read_text(encoding="utf-8")
    contexts = re.findall(r"<name>(.*?)</name>", source)
    assert "CMAformerSegmentation" in contexts and "segmenting.words" in contexts
    for text in ("Done in {time}: {count} structures.", "The CT or MR volume to segment."):
        assert f"<source>{text}</source>" in source


@pytest.mark.parametrize("code", ["_(f'a {b}')", "_('a' + b)", "_(text)", "_('a', 'b')"])
def test_a_text_that_nobody_could_translate_is_refused(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.py").write_text(f"x = 1\n{code}\n")
    with pytest.raises(ValueError, match=r"a\.py:2"):
        translations.texts(tmp_path / "a.py")
