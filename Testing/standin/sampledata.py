"""``import SampleData``: the part of Slicer's module Sample Data with which other modules register their samples.

The signatures are those of Slicer 5.12. Its panel, and with it the network, is not there. The button of a source calls
``source.customDownloader(source)`` and drops what that returns; the console's ``downloadSample`` does not call it.
"""

from __future__ import annotations

import slicer


class SampleDataSource:
    """One sample. Every list has one entry a file; they must be equally long, as in Slicer."""

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
        loadFileType=None,
    ) -> None:
        if loadFileType is not None and loadFileTypes is not None:
            raise ValueError("loadFileType and loadFileTypes cannot be specified at the same time")
        types = loadFileType if loadFileTypes is None else loadFileTypes
        one = isinstance(uris, str)
        self.sampleName = sampleName
        self.sampleDescription = sampleName if sampleDescription is None else sampleDescription
        self.uris = [uris] if one else uris
        self.fileNames = [fileNames] if one else fileNames
        self.nodeNames, self.checksums, self.loadFiles, self.loadFileTypes = (
            [value] if one else [None] * len(uris) if value is None else value
            for value in (nodeNames, checksums, loadFiles, types)
        )
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}
        lists = (self.fileNames, self.nodeNames, self.checksums, self.loadFiles, self.loadFileTypes)
        if any(len(value) != len(self.uris) for value in lists):
            raise ValueError("All fields of sample data source must have the same length")

    def __eq__(self, other) -> bool:
        return vars(self) == vars(other)


class SampleDataLogic:
    """Keeps the sources in ``slicer.modules.sampleDataSources``, by category."""

    @staticmethod
    def registerCustomSampleDataCategory(category, title) -> None:
        _dictionary("sampleDataSourceCategories").setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ) -> None:
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            checksums=checksums,
            loadFiles=loadFiles,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFileProperties=loadFileProperties,
            loadFileType=loadFileType,
        )
        sources = _dictionary("sampleDataSources").setdefault(category, [])
        if source not in sources:
            sources.append(source)

    @staticmethod
    def categoryTitle(category) -> str:
        return _dictionary("sampleDataSourceCategories").get(category, {}).get("title", category)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        sources = _dictionary("sampleDataSources")
        return sources if category is None else sources.get(category, [])


def _dictionary(name: str) -> dict:
    if not hasattr(slicer.modules, name):
        setattr(slicer.modules, name, {})
    return getattr(slicer.modules, name)
