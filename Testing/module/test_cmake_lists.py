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
    assert set(listed("MODULE_MODEL_FILES")) == files(models, "*")
    for folder in (path for path in models.glob("*") if path.is_dir()):
        assert {f"{folder.name}/{f}" for f in ("model.json", "weights.pt", "card.md")} <= files(models, "*")


def test_models_go_where_the_module_looks():
    # environment.bundledModelFolders(): Resources/Models beside the module, or in the top folder of the sources
    assert "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/Resources/Models/${model_file}" in text
    assert "${CMAformer_SOURCE_DIR}/Resources/Models" in text


def test_no_glob():
    for path in [repository / "CMakeLists.txt", moduleFolder / "CMakeLists.txt"]:
        assert "GLOB" not in path.read_text()


def test_the_descriptions_of_the_extension_agree():
    cmake = (repository / "CMakeLists.txt").read_text()
    catalog = json.loads((repository / "CMAformer.json").read_text())
    s4ext = dict(
        line.partition(" ")[::2]
        for line in (repository / "CMAformer.s4ext").read_text().splitlines()
        if line and not line.startswith("#")
    )
    value = {
        key: re.search(rf'set\(EXTENSION_{key} "([^"]*)"\)', cmake).group(1)
        for key in ("HOMEPAGE", "ICONURL", "DESCRIPTION")
    }
    assert re.search(r"project\((\w+)\)", cmake).group(1) == "CMAformer"
    allowed = {
        "$schema",
        "build_dependencies",
        "build_subdirectory",
        "category",
        "scm_revision",
        "scm_type",
        "scm_url",
        "enabled",
        "tier",
    }
    assert {"$schema", "category", "scm_url"} <= set(catalog) <= allowed
    assert catalog["build_dependencies"] == [s4ext["depends"]] == ["PyTorch"]
    assert s4ext["homepage"] == value["HOMEPAGE"] and s4ext["iconurl"] == value["ICONURL"]
    assert s4ext["description"] == value["DESCRIPTION"]
    assert catalog["scm_url"] == s4ext["scmurl"] and catalog["category"] == s4ext["category"] == "Segmentation"


@pytest.mark.parametrize("field", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_of_the_catalog_are_in_the_repository(field):
    cmake = (repository / "CMakeLists.txt").read_text()
    url = re.search(rf'set\(EXTENSION_{field} "([^"]*)"\)', cmake).group(1)
    prefix = "https://raw.githubusercontent.com/CMAformer/SlicerCMAformer/main/"
    assert url.startswith(prefix)
    assert (repository / url[len(prefix) :]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
