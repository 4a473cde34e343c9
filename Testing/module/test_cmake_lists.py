"""What is not in the CMake lists is not in the package: the lists must name every file that the module needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

repository = Path(__file__).resolve().parents[2]
moduleFolder = repository / "CMAformerSegmentation"
text = (moduleFolder / "CMakeLists.txt").read_text()


def listed(name: str) -> list[str]:
    body = re.search(rf"set\({name}\s+(.*?)\)", text, re.DOTALL).group(1)
    return [re.sub(r"\$\{MODULE_NAME\}", "CMAformerSegmentation", word) for word in body.split()]


def files(folder: Path, *patterns: str) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for pattern in patterns
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts and not any(p.endswith(".egg-info") for p in path.parts)
    }


def test_every_python_file_is_listed_and_exists():
    scripts = listed("MODULE_PYTHON_SCRIPTS")
    assert set(scripts) == files(moduleFolder, "*.py")
    assert len(scripts) == len(set(scripts))


def test_every_resource_is_listed_and_exists():
    assert set(listed("MODULE_PYTHON_RESOURCES")) == {f"Resources/{f}" for f in files(moduleFolder / "Resources", "*")}


def test_every_file_of_every_bundled_model_is_listed_and_exists():
    models = repository / "Resources" / "Models"
    assert set(listed("MODULE_MODEL_FILES")) == files(models, "*") - {"README.md"}  # which is for developers
    for folder in (path for path in models.glob("*") if path.is_dir()):
        assert {f"{folder.name}/{f}" for f in ("model.json", "weights.pt", "card.md")} <= files(models, "*")


def test_models_go_where_the_module_looks():
    # environment.bundledModelFolders(): Resources/Models beside the module, or in the top folder of the sources
    assert "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/Resources/Models/${model_file}" in text
    assert "${CMAformer_SOURCE_DIR}/Resources/Models" in text


def test_no_glob():
    for path in [repository / "CMakeLists.txt", moduleFolder / "CMakeLists.txt"]:
        assert "GLOB" not in path.read_text()


SCHEMA_FILE = "slicer-extension-catalog-entry-schema-v1.0.1.json"
# What that file, in Slicer's folder Schemas, allows (and nothing else), and demands.
SCHEMA = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}
# What Slicer's Extensions/CMake/SlicerExtensionDescriptionSpec.cmake describes.
KEYWORDS = {
    *("scm", "scmurl", "scmrevision", "depends", "build_subdirectory", "homepage", "contributors", "category"),
    *("iconurl", "description", "screenshoturls", "enabled", "status", "tier"),
}


def s4ext() -> dict[str, str]:
    lines = (repository / "CMAformer.s4ext").read_text(encoding="utf-8").splitlines()
    return dict(line.partition(" ")[::2] for line in lines if line and not line.startswith("#"))


def cmakeVariable(name: str) -> str:
    """The value of an EXTENSION_ variable, on one quoted line: the index's checks read it with such an expression."""
    cmake = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(rf'^set\(EXTENSION_{name} "([^"]+)"\)', cmake, re.MULTILINE).group(1)


def test_the_catalog_entry_is_what_the_schema_allows():
    content = (repository / "CMAformer.json").read_bytes()
    entry = json.loads(content)
    assert set(entry) >= REQUIRED and set(entry) <= set(SCHEMA)
    assert {key: type(value) for key, value in entry.items()} == {key: SCHEMA[key] for key in entry}
    assert all(type(name) is str for name in entry.get("build_dependencies", []))
    assert entry.get("scm_type", "git") in ("git", "local") and entry["tier"] in (1, 3, 5)
    assert entry["$schema"] == f"https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/{SCHEMA_FILE}#"
    assert re.fullmatch(r"https://[^/]+/[^/]+/Slicer\w+\.git", entry["scm_url"])
    assert b"\r" not in content


def test_the_old_catalog_entry_is_complete():
    entry = s4ext()
    assert set(entry) == KEYWORDS
    assert all(entry.values())
    assert (entry["scm"], entry["enabled"]) == ("git", "1")


def test_the_descriptions_of_the_extension_agree():
    cmake = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"project\((\w+)\)", cmake).group(1) == "CMAformer"
    old, new = s4ext(), json.loads((repository / "CMAformer.json").read_text(encoding="utf-8"))
    for key in ("homepage", "contributors", "iconurl", "description", "screenshoturls", "depends"):
        assert old[key] == cmakeVariable(key.upper()), key
    assert old["depends"].split() == new["build_dependencies"] == ["PyTorch"]
    assert (old["scmurl"], old["scmrevision"]) == (new["scm_url"], new["scm_revision"])
    assert old["category"] == new["category"] == "Segmentation"
    assert (old["build_subdirectory"], old["tier"]) == (new["build_subdirectory"], str(new["tier"]))
    assert (old["enabled"] == "1") == new.get("enabled", True)
    assert new["scm_url"] == old["homepage"] + ".git"


@pytest.mark.parametrize("field", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_of_the_catalog_are_in_the_repository(field):
    url = cmakeVariable(field)
    prefix = "https://raw.githubusercontent.com/CMAformer/SlicerCMAformer/main/"
    assert url.startswith(prefix)
    assert (repository / url[len(prefix) :]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
