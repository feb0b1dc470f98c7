"""Write the colour tables of this folder from matplotlib's colour maps; run once, needs matplotlib."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib as mpl
import numpy as np

# A table with two sides has an odd number of entries, so that zero is the middle one and not between two.
TABLES = {"inferno": 256, "plasma": 256, "coolwarm": 255}


def main() -> None:
    """Write one CSV (red, green, blue from 0 to 1) a table, the colour of the lowest value first."""
    for name, entries in TABLES.items():
        colors = mpl.colormaps[name](np.linspace(0, 1, entries))[:, :3]
        with Path(__file__).with_name(f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("red", "green", "blue"))
            writer.writerows([f"{channel:.5f}" for channel in color] for color in colors)


if __name__ == "__main__":
    main()
