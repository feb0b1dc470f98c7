"""From a result in another panel to its explanation."""

from typing import Any

import slicer

MODULE = "AttentionExplain"


def explainResult(reportNode: Any) -> None:
    """Open the module AttentionExplain with the result of this report node chosen; needs the main window."""
    slicer.util.selectModule(MODULE)
    slicer.modules.attentionexplain.widgetRepresentation().self().explain(reportNode)
