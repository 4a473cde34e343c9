"""Write the translation source, Resources/Translations/CMAformer_en-US.ts: every text of the panel, for translators.

    python Testing/translations.py

The texts and their contexts are those that Slicer's own `Utilities/Scripts/update_translations.py` finds: the module's
name, or "package.file", for `_("...")` in Python files, and the class for the texts of a .ui file. Translations go
beside it, as `CMAformer_de-DE.ts` (see Slicer's SlicerLanguageTranslations).
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path

repository = Path(__file__).resolve().parents[1]
module = repository / "CMAformerSegmentation"
translations = repository / "Resources" / "Translations" / "CMAformer_en-US.ts"


def context(path: Path) -> str:
    """The name under which Slicer looks for the texts of a Python file."""
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").exists() else path.stem


def texts(path: Path) -> list[str]:
    """What a Python file gives to `_`, in order.

    Raises ValueError for what is not a plain text: it could not be translated.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant) or node.keywords:
                raise ValueError(f"{path.name}:{node.lineno}: _() takes one plain text")
            found.append((node.lineno, node.col_offset, node.args[0].value))
    return [text for _line, _column, text in sorted(found)]


def write(path: Path) -> None:
    """Write the translation source."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = sorted((module / "Resources" / "UI").glob("*.ui"))
        for file in (module / "CMAformerSegmentation.py", *sorted((module / "CMAformerSegmentationLib").rglob("*.py"))):
            calls = [f'translate("{context(file)}", {json.dumps(text, ensure_ascii=False)})' for text in texts(file)]
            if calls:
                sources.append(folder / f"{context(file)}.py")
                sources[-1].write_text("\n".join(calls) + "\n", encoding="utf-8")
        program = Path(sys.executable).with_name("pyside6-lupdate")
        made = folder / path.name
        command = [
            program,
            *sources,
            "-ts",
            made,
            "-locations",
            "none",
            "-source-language",
            "en_US",
            "-target-language",
            "en_US",
        ]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.read_bytes())


if __name__ == "__main__":
    write(translations)
    print(
        f"{translations.relative_to(repository)}: {translations.read_text(encoding='utf-8').count('<message>')} texts"
    )
