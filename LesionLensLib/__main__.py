"""The program behind every door: `lesionlens`, `python -m LesionLensLib`, and the child process of the panels."""

from __future__ import annotations

import sys

from LesionLensLib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
