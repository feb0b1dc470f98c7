"""Write the colour tables of this folder from matplotlib's colour maps (CC0); run once, needs matplotlib."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib as mpl
import numpy as np

TABLES = ("inferno",)
ENTRIES = 256


def main() -> None:
    """Write one CSV of 256 rows (red, green, blue from 0 to 1) a table, darkest first."""
    for name in TABLES:
        colors = mpl.colormaps[name](np.linspace(0, 1, ENTRIES))[:, :3]
        with Path(__file__).with_name(f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("red", "green", "blue"))
            writer.writerows([f"{channel:.5f}" for channel in color] for color in colors)


if __name__ == "__main__":
    main()
