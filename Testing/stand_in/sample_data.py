"""What our sources use of Slicer's Sample Data, with its rules: files are cached by name.

Written from the behaviour of Modules/Scripted/SampleData/SampleData.py: `downloadSamples` opens the addresses of a
source one after the other and never calls its own downloader, which belongs to the button alone.
"""

from __future__ import annotations

import hashlib
import logging
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer


class SampleDataSource:
    """A case with one entry in each list for each file."""

    def __init__(self, sampleName: Any = None, sampleDescription: Any = None, uris: Any = None, fileNames: Any = None,
                 nodeNames: Any = None, checksums: Any = None, loadFiles: Any = None, customDownloader: Any = None,
                 thumbnailFileName: Any = None, loadFileType: Any = None,
                 loadFileProperties: Any = None) -> None:  # fmt: skip
        count = len(uris)
        self.sampleName, self.sampleDescription = sampleName, sampleDescription or sampleName
        self.uris, self.fileNames, self.nodeNames = uris, fileNames, nodeNames
        self.checksums = checksums or [None] * count
        self.loadFiles = loadFiles or [None] * count
        self.loadFileType, self.loadFileProperties = loadFileType, loadFileProperties or {}
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        lengths = {count, *map(len, (fileNames, nodeNames, self.checksums, self.loadFiles, loadFileType))}
        if lengths != {count}:
            raise ValueError("All fields of sample data source must have the same length")


class SampleDataLogic:
    """Lists sources and downloads them."""

    def __init__(self, logMessage: Callable[..., None] | None = None) -> None:
        self.logMessage = logMessage or (lambda message, level=logging.DEBUG: logging.log(level, message))

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def downloadSamples(self, name: str) -> list[Any]:
        every = [source for sources in self.sampleDataSourcesByCategory().values() for source in sources]
        found = next((source for source in every if source.sampleName == name), None)
        return self.downloadFromSource(found) if found is not None else []

    def downloadFromSource(self, source: SampleDataSource) -> list[Any]:
        nodes, paths = [], []
        for uri, fileName, nodeName, checksum, kind in zip(
            source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFileType, strict=True
        ):
            for attempt in range(3):
                try:
                    path = self.downloadFile(uri, fileName, checksum)
                except ValueError:
                    self.logMessage(f"Download failed (attempt {attempt + 1} of 3)...", logging.ERROR)
                    continue
                paths.append(str(path))
                if path.is_file():
                    load = slicer.util.loadSegmentation if kind == "SegmentationFile" else slicer.util.loadVolume
                    nodes.append(load(str(path), {"name": nodeName}))
                    break
                self.logMessage(f"Load failed (attempt {attempt + 1} of 3)...", logging.ERROR)
        return nodes or paths

    def downloadFile(self, uri: str, name: str, checksum: str | None = None) -> Path:
        path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            try:
                urllib.request.urlretrieve(uri, path)
            except OSError as error:
                self.logMessage(f"\tDownload failed: {error}", logging.ERROR)
                raise ValueError(f"Failed to download {uri} to {path}") from error
        if checksum is not None and hashlib.sha256(path.read_bytes()).hexdigest() != checksum.partition(":")[2]:
            self.logMessage("Checksum verification failed.")
            path.unlink()
        return path


def downloadSample(name: str) -> Any:
    """Return the first loaded node of a sample."""
    return SampleDataLogic().downloadSamples(name)[0]
