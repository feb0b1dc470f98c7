"""Draws the three panels after a run on the sample cases, by the stand-in for Slicer's widgets.

`python Testing/tools/panel_pictures.py OUTPUT`; a process of its own, because the stand-in changes Qt for good.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCALE = 3  # 430 points of Slicer's module panel become 1290 pixels
WIDTH = 430
LONGEST_S = 1800


def main(output: Path) -> None:
    """Run the three panels one after the other, as a user would, and draw each; the last explains the second."""
    os.environ["QT_SCALE_FACTOR"] = str(SCALE)
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "tools")]
    from Testing.stand_in import PanelHost, install

    slicer = install()
    drawn = PanelHost("LesionSegmentation")
    drawn.panel.ui.sampleButton.click()
    _run(drawn.panel)
    _save(drawn, output / "panel-segmentation.png")
    drawn.close()
    slicer.mrmlScene.Clear(0)
    drawn = PanelHost("MetastasisOutcome")
    drawn.panel.ui.sampleButton.click()
    _run(drawn.panel)
    report = drawn.panel._result.reportNode
    _save(drawn, output / "panel-outcome.png")
    drawn.close()
    drawn = PanelHost("AttentionExplain")
    drawn.widget.explain(report)
    drawn.panel._parameterNode.method = "gradcam"  # its checks take a fraction of the time that those of occlusion take
    drawn.panel.ui.imagesCollapsibleButton.collapsed = True  # they came with the result
    _run(drawn.panel)
    _save(drawn, output / "panel-explanation.png")
    drawn.close()


def _run(panel: Any) -> None:
    """Press Apply and wait; raises `RuntimeError` with what the panel says where no result comes."""
    import slicer

    panel.ui.applyButton.click()
    deadline = time.monotonic() + LONGEST_S
    while panel.logic.isRunning and time.monotonic() < deadline:
        slicer.app.processEvents()
        time.sleep(0.01)
    if panel._result is None:
        raise RuntimeError(panel.ui.statusLabel.text)


def _save(host: Any, path: Path) -> None:
    """Draw the panel as long as its contents: nothing may be cut off, and no empty rest shown."""
    import slicer
    from make_pictures import save_small
    from PIL import Image

    for _ in range(5):  # labels that wrap their words settle in steps
        layout = host.parent.layout()
        host.parent.resize(WIDTH, max(layout.totalHeightForWidth(WIDTH), host.parent.minimumSizeHint.height()))
        slicer.app.processEvents()
    with tempfile.TemporaryDirectory() as folder:
        host.picture(Path(folder, "panel.png"))
        with Image.open(Path(folder, "panel.png")) as picture:
            save_small(picture.convert("RGB"), path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
