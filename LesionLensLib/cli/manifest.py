"""`lesionlens manifest`: from the folders of a data set to the table of cases that the other commands take."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from LesionLensLib.errors import UserError
from LesionLensLib.progress import Progress

if TYPE_CHECKING:
    from LesionLensLib.cohort.importers.each_lesion import ListedLesion
    from LesionLensLib.cohort.importers.found import Found
    from LesionLensLib.cohort.importers.write import Written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `manifest`."""
    from LesionLensLib.cohort.importers.found import LESION_PARTS
    from LesionLensLib.cohort.importers.layouts import AUTO, LAYOUTS

    known = "; ".join(f"{name}: {title}" for name, (_, title) in LAYOUTS.items())
    parser.add_argument("layout", metavar="LAYOUT", help=f"{AUTO}, or one of {known}")
    parser.add_argument("folder", metavar="FOLDER", help="the folder of the data set, as it was downloaded")
    parser.add_argument("--output", required=True, metavar="MANIFEST.csv",
                        help="the table to write; masks that have to be made go beside it")  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier table")
    parser.add_argument("--lesion", choices=LESION_PARTS, default=LESION_PARTS[0],
                        help="the part of a tumour that makes the mask: without oedema, with it, or the enhancing "
                             "rim alone (default: %(default)s)")  # fmt: skip
    parser.add_argument("--lesion-labels", default="", metavar="LABEL,...",
                        help="nnunet, bids: the labels that make the mask, by number or name")  # fmt: skip
    parser.add_argument("--patient", default="", metavar="PATTERN",
                        help="nnunet: a regular expression whose first group in a case's name is the patient")
    parser.add_argument("--space", default="", metavar="NAME", help="open-ms: which version of the images")
    parser.add_argument("--table", metavar="FILE", help="the outcomes, where they do not lie in the folder")
    parser.add_argument("--each-lesion", action="store_true",
                        help="make a case of every separate lesion of a mask; without --outcomes also write a table of "
                             "them beside the manifest, into which outcomes can be written")  # fmt: skip
    parser.add_argument("--outcomes", metavar="FILE",
                        help="your own table (.csv, .tsv, .xlsx) with the columns case, label (0 or 1) and, where "
                             "lines are lesions, lesion: the number from --each-lesion")  # fmt: skip
    parser.add_argument("--label-column", default="", metavar="NAME",
                        help="the column of the outcome in --outcomes (default: label), or in participants.tsv of bids")
    parser.add_argument("--test-share", type=float, metavar="SHARE",
                        help="draw this share of the labelled patients for testing, in place of the data set's own "
                             "division")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of that draw (default: 0)")


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Write the manifest; every case left out is named with its reason on stderr and in a table."""
    from functools import partial

    from LesionLensLib.cohort.importers.division import divide, on_both_sides
    from LesionLensLib.cohort.importers.each_lesion import write_lesion_table
    from LesionLensLib.cohort.importers.found import ImportOptions
    from LesionLensLib.cohort.importers.layouts import find_cases
    from LesionLensLib.cohort.importers.write import write_manifest

    if options.test_share is not None and not 0 < options.test_share < 1:
        raise UserError(f"--test-share {options.test_share:g} is no share.", "Give a number between 0 and 1.")
    labels = tuple(label.strip() for label in options.lesion_labels.split(",") if label.strip())
    table = Path(options.table) if options.table else None
    column = "" if options.outcomes else options.label_column
    asked = ImportOptions(options.lesion, labels, options.patient, options.space, table, column)
    layout, found = find_cases(options.layout, options.folder, asked)
    for remark in found.remarks:
        progress.warn(remark)
    found, lesions = _with_own_outcomes(found, options, progress)

    def tell(done: int, case: str) -> None:
        progress.update("manifest", done / len(found.cases), case)

    share, seed = options.test_share, options.seed
    arrange = tuple if share is None else partial(divide, test_share=share, seed=seed)
    written = write_manifest(found, Path(options.output), options.overwrite, tell, arrange)
    if lesions:
        write_lesion_table(lesions, Path(options.output))
    progress.update("manifest", 1.0, "done")
    for patient in on_both_sides(written.cases):
        progress.warn(f"The data set has patient {patient} in more than one split: --test-share divides by patient.")
    for column, count in written.missing():
        progress.warn(f"{count} of {len(written.cases)} cases have no {column}.")
    _report(layout, written, len(lesions), options, progress)
    return 0


def _with_own_outcomes(
    found: Found, options: argparse.Namespace, progress: Progress
) -> tuple[Found, tuple[ListedLesion, ...]]:
    """Return the cases parted into lesions and labelled as far as asked for, and the lesions that wait for outcomes."""
    from LesionLensLib.cohort.importers.each_lesion import check_lesion_table, part_lesions
    from LesionLensLib.cohort.importers.outcomes import read_outcomes, with_outcomes

    outcomes = read_outcomes(Path(options.outcomes), options.label_column) if options.outcomes else None
    lesions: tuple[ListedLesion, ...] = ()
    if options.each_lesion or (outcomes is not None and outcomes.by_lesion):
        if outcomes is None:
            check_lesion_table(Path(options.output))
        count = len(found.cases)
        found, lesions = part_lesions(found, lambda done, case: progress.update("lesions", done / count, case))
    return (found, lesions) if outcomes is None else (with_outcomes(found, outcomes), ())


def _report(layout: str, written: Written, lesions: int, options: argparse.Namespace, progress: Progress) -> None:
    from LesionLensLib.cohort.importers.each_lesion import lesion_table

    for case, reason in written.skipped:
        print(f"skipped {case}: {reason}", file=sys.stderr)
    if options.progress == "json":
        skipped = [{"case": case, "reason": reason} for case, reason in written.skipped]
        counts = {"cases": len(written.cases), "patients": written.patients}
        progress.result({"layout": layout, **counts, "skipped": skipped})
        return
    print(f"{layout}: {len(written.cases)} cases of {written.patients} patients, {len(written.skipped)} left out")
    print(options.output)
    if lesions:
        print(f"{lesions} lesions wait for outcomes in {lesion_table(Path(options.output))}")
