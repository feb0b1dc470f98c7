"""`python -m LesionLensLib.training.evidence`: the page of evidence with its pictures, from saved predictions.

Without options nothing but the repository is needed. The others make again what is saved: `--features`, `--overlap` and
`--maps` need the images, `--measure` needs the benchmarks and a quarter of an hour.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from LesionLensLib.errors import EnvironmentFault, LesionLensError
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training.evidence import lesion_chapter, load_chapter
from LesionLensLib.training.evidence.page import Place, draw_pictures, make_page
from LesionLensLib.training.evidence.saved import YARDSTICKS, remake_figures

BENCHMARK = "Testing.Benchmarks.attention_cost"


def main(arguments: list[str] | None = None) -> int:
    """Make what was asked for, then page and pictures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m LesionLensLib.training.evidence", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/evidence.md"), help="page (default: %(default)s)")
    parser.add_argument("--features", nargs=2, action="append", default=[], metavar=("MODEL", "MANIFEST.csv"),
                        help="compute the features of an outcome model's cohort again (repeat)")  # fmt: skip
    parser.add_argument("--overlap", type=Path, metavar="MANIFEST.csv", help="segment the labelled patients again")
    parser.add_argument("--maps", nargs=2, metavar=("MANIFEST.csv", "CASE"), help="make the masks of SMOCAM again")
    parser.add_argument("--measure", action="store_true", help="measure the cost of attention again")
    options = parser.parse_args(arguments)
    try:
        place = Place.beside(options.output)
        _collect(options, place)
        for model in YARDSTICKS:
            remake_figures(place.models / model)
        draw_pictures(place)
        place.page.write_text(make_page(place), encoding="utf-8")
    except LesionLensError as error:
        print(f"error: {error.message}\nremedy: {error.remedy}", file=sys.stderr)
        return error.exit_code
    print(place.page)
    return 0


def _collect(options: argparse.Namespace, place: Place) -> None:
    """Make again what is saved, as far as it was asked for."""
    progress = SilentProgress()
    if options.measure:
        _measure(place.cost)
    for model, manifest in options.features:
        from LesionLensLib.training.evidence.collect_features import collect_features

        collect_features(model, Path(manifest), progress)
    if options.overlap is not None:
        from LesionLensLib.training.evidence.overlap_table import collect_overlap

        collect_overlap(lesion_chapter.MODEL, options.overlap, ("test", "train"), progress)
    if options.maps is not None:
        from LesionLensLib.training.evidence.collect_maps import collect_maps

        collect_maps(load_chapter.MODEL, Path(options.maps[0]), options.maps[1], progress)


def _measure(path: Path) -> None:
    """Run the benchmark in a process of its own; raises `EnvironmentFault` outside of a source tree."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "Testing" / "Benchmarks").is_dir():
        raise EnvironmentFault("The benchmarks are not installed.", "Run --measure in a source tree of LesionLens.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run([sys.executable, "-m", BENCHMARK, str(path.resolve())], cwd=root, check=False).returncode:
        raise EnvironmentFault("The cost of attention could not be measured.", "See the messages above.")


if __name__ == "__main__":
    sys.exit(main())
