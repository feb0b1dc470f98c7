"""From the report node of a finished result back to what it was made from."""

import json
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from LesionLensLib.panel.ChannelRows import setChannelNode
from LesionLensLib.panel.LesionPlace import imageCard
from LesionLensLib.scene.provenance import made_from


@dataclass(frozen=True)
class ChosenResult:
    """The report node of a result with the model, the device and the alignment that it names."""

    node: Any
    model: str
    device: str
    isRegistered: bool

    @classmethod
    def read(cls, node: Any) -> "ChosenResult | None":
        """Return what a report node says, or None where its text is no report any more."""
        try:
            report = json.loads(node.GetText())
            sources = [one["source"] for one in report["settings"].get("transforms", {}).values()]
            return cls(node, report["model"]["id"], report["device"], "rigid registration" in sources)
        except (ValueError, KeyError, TypeError, AttributeError):  # a text node can be edited
            return None

    def fillIn(self, parameterNode: Any, card: Any) -> None:
        """Choose in a typed parameter node what the result was made from; what is missing is left to choose.

        `card` is that of the model, None where it is not listed.
        """
        roles = imageCard(card).roles if card is not None else ()
        found = made_from(self.node, roles)
        parameterNode.model = self.model
        for role in roles:
            setChannelNode(parameterNode.parameterNode, role, found.images.get(role))
        parameterNode.lesion = found.lesion
        parameterNode.lesionPart = found.part
        parameterNode.brainMask = found.brain_mask
        parameterNode.device = self.device
        parameterNode.registerChannels = self.isRegistered


def whyNotListed(model: str) -> str:
    """Return what to do where the model of a chosen result is not listed."""
    return _("The model {model} of this result is not listed; name its folder under Advanced, Own model.").format(
        model=model
    )
