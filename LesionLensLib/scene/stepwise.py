"""Adds the nodes of a result in short steps, between which a window can answer, and takes all of them back together."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import slicer
import vtk

from LesionLensLib.scene.hierarchy import subject_hierarchy

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Does a piece of the work up to each `yield`, and returns the result."""


class Showing(Generic[Result]):
    """Runs a generator of steps; after an error, or `undo`, no node and no folder that a step has added is left.

    Only what is added while a step runs counts: between two steps the user may add nodes of his own.
    """

    def __init__(self, steps: Steps[Result]) -> None:
        self.result: Result | None = None
        self.is_done = False
        self.is_busy = False
        self._steps = steps
        self._nodes: list[str] = []
        self._items: list[int] = []

    def step(self) -> bool:
        """Do the next step and return whether that was the last; raises what the step raises."""
        if self.is_busy or self.is_done:  # a step may let the event loop run, whose timer calls again
            return self.is_done
        self.is_busy = True
        try:
            with self._recorded():
                next(self._steps)
        except StopIteration as end:
            self.result, self.is_done = end.value, True
        except BaseException:
            self.undo()
            raise
        finally:
            self.is_busy = False
        return self.is_done

    def run(self) -> Result:
        """Do all steps at once and return the result."""
        while not self.step():
            pass
        return self.result  # type: ignore[return-value]

    def undo(self) -> None:
        """Take back what the steps have added so far; there are no more steps then."""
        self._steps.close()
        for node_id in reversed(self._nodes):
            node = slicer.mrmlScene.GetNodeByID(node_id)
            if node is not None:  # a display node goes with the node it belongs to
                slicer.mrmlScene.RemoveNode(node)
        hierarchy = subject_hierarchy()
        left = _item_ids(hierarchy)
        for item in self._items:  # a node's item goes with the node, a folder stays
            if item in left:
                hierarchy.RemoveItem(item, False, False)
        self._nodes, self._items = [], []

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        nodes, items = set(_node_ids()), _item_ids(subject_hierarchy())
        try:
            yield
        finally:
            self._nodes += [node_id for node_id in _node_ids() if node_id not in nodes]
            self._items += sorted(_item_ids(subject_hierarchy()) - items)


def _node_ids() -> list[str]:
    scene = slicer.mrmlScene
    return [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())]


def _item_ids(hierarchy: Any) -> set[int]:
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    return {items.GetId(index) for index in range(items.GetNumberOfIds())}
