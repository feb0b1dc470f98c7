"""A stand-in for what the panels use of desktop Slicer: PythonQt's `qt` and `ctk`, qMRML widgets, base classes.

The scene below it is the real one (slicer-core). What real Slicer refuses is refused here too: unknown attributes,
signals that do not exist, widgets that a parameter cannot be bound to. What it cannot show is how the real widgets
look and behave beyond the methods written here; the real application remains the judge.
"""

from Testing.stand_in.install import PanelHost, install

__all__ = ["PanelHost", "install"]
