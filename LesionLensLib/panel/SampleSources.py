"""Sample cases as entries of the module Sample Data: made on this computer, or downloaded and checked by SHA-256.

A click puts the case into the scene and into the rows of the panel; `SampleData.downloadSample(name)` of the console
puts it into the scene.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

import LesionLensLib
from LesionLensLib.errors import EnvironmentFault, LesionLensError
from LesionLensLib.resources import resource

CATEGORY = "LesionLens"
IMAGE, SEGMENTATION = "VolumeFile", "SegmentationFile"  # as the module Sample Data calls them
SUFFIXES = {IMAGE: ".nii.gz", SEGMENTATION: ".seg.nrrd"}


@dataclass(frozen=True)
class MadeCase:
    """A case made on the spot: `load` adds it to the scene, `write(folder)` returns its files by role.

    `kinds` says of each role how Slicer loads its file.
    """

    name: str
    title: str
    thumbnail: Path
    kinds: Mapping[str, str]
    load: Callable[[], Any]
    write: Callable[[Path], Mapping[str, Path]]


def registerMade(case: MadeCase) -> None:
    """Offer a case that is made when it is asked for; nothing is downloaded.

    `downloadSample` never calls a source's own downloader: it opens addresses. So this source makes its files when it
    is asked for their addresses, and names them by version, since Sample Data keeps files by name.
    """
    import SampleData

    version = LesionLensLib.__version__

    class MadeSource(SampleData.SampleDataSource):
        @property
        def uris(self) -> list[str]:
            folder = Path(slicer.app.temporaryPath) / "LesionLens-samples" / case.name
            files = case.write(folder)
            return [files[role].resolve().as_uri() for role in case.kinds]

        @uris.setter
        def uris(self, placeholders: list[str]) -> None:
            """The base class stores what it was given."""

        def __str__(self) -> str:  # that of the base class, for comparing sources, would make the files
            return f"sampleName        : {self.sampleName}"

    source = MadeSource(
        sampleName=case.name,
        sampleDescription=case.title,
        uris=[f"made:{role}" for role in case.kinds],
        fileNames=[f"{case.name}-{version}-{role}{SUFFIXES[case.kinds[role]]}" for role in case.kinds],
        nodeNames=[f"{case.title} {role}" for role in case.kinds],
        loadFileType=list(case.kinds.values()),
        thumbnailFileName=str(case.thumbnail),
        customDownloader=lambda source: _tellErrors(case.load),
    )
    _offer(source)


def registerDownload(name: str, thumbnail: Path, choose: Callable[[dict[str, Any]], None]) -> None:
    """Offer the real case `name` of Resources/SampleData/cases.json; `choose(nodes by role)` fills the panel's rows."""
    import SampleData

    case = downloads()[name]
    files = case["files"]
    source = SampleData.SampleDataSource(
        sampleName=name,
        sampleDescription=case["title"],
        uris=[file["url"] for file in files],
        fileNames=[f"{name}-{file['role']}.nii.gz" for file in files],
        nodeNames=[f"{name} {file['role']}" for file in files],
        loadFileType=[file["kind"] for file in files],
        checksums=[f"SHA256:{file['sha256']}" for file in files],
        thumbnailFileName=str(thumbnail),
        customDownloader=lambda source: _tellErrors(lambda: choose(download(source, case))),
    )
    _offer(source)


def _offer(source: Any) -> None:
    """List a source once; Sample Data compares sources with their functions, which are new after every reload."""
    import SampleData

    listed = SampleData.SampleDataLogic.sampleDataSourcesByCategory().setdefault(CATEGORY, [])
    if all(other.sampleName != source.sampleName for other in listed):
        listed.append(source)


def downloads() -> dict[str, Any]:
    """Return the real cases that can be downloaded by name; raises `EnvironmentFault` where the list is missing."""
    record = json.loads(resource("SampleData", "cases.json").read_text(encoding="utf-8"))
    return {case["name"]: case for case in record["cases"]}


def download(source: Any, case: Mapping[str, Any]) -> dict[str, Any]:
    """Let Sample Data download, check and load the files of a source; return the nodes by role.

    Raises `EnvironmentFault` with what Sample Data said where a file is missing; what was loaded is removed again.
    """
    import SampleData

    said: list[str] = []
    logic = SampleData.SampleDataLogic(lambda message, *level: said.append(str(message).strip()))
    found = [node for node in logic.downloadFromSource(source) if hasattr(node, "GetID")]
    roles = [file["role"] for file in case["files"]]
    if len(found) == len(roles):
        return dict(zip(roles, found, strict=True))
    for node in found:
        slicer.mrmlScene.RemoveNode(node)
    told = [line.replace("<", "").replace(">", "") for line in said if "fail" in line.lower()]  # no tags in a message
    reason = told[0].rstrip(".") if told else _("nothing came")
    raise EnvironmentFault(
        _("The sample case could not be downloaded: {reason}.").format(reason=reason),
        _("Check the network connection and the proxy, or press Load sample case, which needs no network."),
        "\n".join(said),
    )


def _tellErrors(work: Callable[[], Any]) -> None:
    """Do what a click asked for; there is no panel of ours beside Sample Data that could show an error."""
    try:
        work()
    except LesionLensError as error:
        slicer.util.errorDisplay(f"{error.message} {error.remedy}", detailedText=error.detail)
