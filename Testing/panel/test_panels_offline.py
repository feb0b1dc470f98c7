"""Without a network the panels open, their simulated samples are made, and nothing even tries to connect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from offline import REPOSITORY, attempts, cut_off

OPEN_AND_FILL = """
from functools import partial
from LesionLensLib import phantom
from Testing.stand_in import PanelHost, install
install()
phantom.make_head_phantom = partial(phantom.make_head_phantom, small=True)
phantom.make_thigh_phantom = partial(phantom.make_thigh_phantom, small=True)
for module in ("LesionSegmentation", "MetastasisOutcome", "AttentionExplain"):
    host = PanelHost(module)
    if module != "AttentionExplain":
        host.panel.ui.sampleButton.click()
        assert host.panel.parts.rows.nodes()
    host.close()
print("opened")
"""


def test_panels_and_simulated_samples_need_no_network(slicer: Any, tmp_path: Path) -> None:
    log = tmp_path / "network.log"
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AND_FILL], cwd=REPOSITORY, env=cut_off(log), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout.strip().endswith("opened"), done.stderr
    assert attempts(log) == []
