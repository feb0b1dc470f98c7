"""Slice and 3D views drawn by Slicer's own displayable managers into memory, without Qt and without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from LesionLensLib.scene.layout import slice_logic, view_node

SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)
THREED_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


class OffscreenView:
    """A render window in memory whose contents the displayable managers of a MRML view node make.

    `require_renderer` must have been called before the first one is made. `size` is (width, height) in pixels.
    """

    def __init__(self, size: tuple[int, int], factory_class: Any, managers: tuple[str, ...]) -> None:
        self.size = size
        self.app_logic = slicer.app.applicationLogic()
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()  # never starts an event loop
        self._interactor.SetRenderWindow(self.window)
        self._interactor.Initialize()
        self._interactor.UpdateSize(*size)
        factory = factory_class.GetInstance()
        factory.SetMRMLApplicationLogic(self.app_logic)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)
        self.managers.Initialize(factory, self.renderer)

    def grab(self) -> NDArray[np.uint8]:
        """Draw and return the picture `(height, width, 3)`, top row first."""
        image = self._draw()
        width, height, _ = image.GetDimensions()
        rows: NDArray[np.uint8] = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)
        return rows[::-1].copy()

    def save(self, path: Path) -> None:
        """Draw and write a PNG file; raises `OSError` where it cannot be written."""
        writer = vtk.vtkPNGWriter()
        writer.SetInputData(self._draw())
        writer.SetFileName(str(path))
        writer.Write()
        if writer.GetErrorCode() or not path.exists():
            raise OSError(f"{path.name} could not be written")

    def close(self) -> None:
        """Release the window and stop the managers from following the scene."""
        self.managers.SetMRMLDisplayableNode(None)
        self._interactor.SetRenderWindow(None)
        self.window.Finalize()

    def add_text(self, text: str, place: tuple[float, float], points: int, align: str = "centre") -> None:
        """Write white text with a dark edge at `place` (0 to 1 of width and height) in letters of `points` pixels."""
        actor = vtk.vtkTextActor()
        actor.SetInput(text)
        actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
        actor.SetPosition(*place)
        style = actor.GetTextProperty()
        style.SetFontSize(points)
        style.SetColor(1, 1, 1)
        style.BoldOn()
        style.ShadowOn()
        style.SetVerticalJustificationToCentered()
        {"centre": style.SetJustificationToCentered, "left": style.SetJustificationToLeft,
         "right": style.SetJustificationToRight}[align]()  # fmt: skip
        self.renderer.AddViewProp(actor)

    def _draw(self) -> Any:
        self.window.Render()
        capture = vtk.vtkWindowToImageFilter()
        capture.SetInput(self.window)
        capture.ReadFrontBufferOff()
        capture.SetInputBufferTypeToRGB()
        capture.Update()
        return capture.GetOutput()


class SliceView(OffscreenView):
    """One slice view; `orientation` is Axial, Coronal or Sagittal in the radiological convention."""

    def __init__(self, name: str, orientation: str, size: tuple[int, int]) -> None:
        super().__init__(size, slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS)
        self.window.SetMultiSamples(0)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.orientation = orientation
        self.logic = slice_logic(name)
        self.node = self.logic.GetSliceNode()
        self.logic.ResizeSliceNode(*size)
        self._add_image_actor()
        self.managers.SetMRMLDisplayableNode(self.node)

    def _add_image_actor(self) -> None:
        """Qt code puts the slice image into the view in desktop Slicer; here it must come before the managers' actors.

        2D actors are drawn in the order they were added: added later, the image would hide the segments.
        """
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.SetVisibility(False)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self._actor)

    def show(self, background: Any, focus_ras: tuple[float, float, float], box_ras: NDArray[np.float64]) -> None:
        """Show the slice of a volume node through a RAS point (mm), framed so that the points `box_ras` (n, 3) fit."""
        # A slice node left in the orientation "Reformat" is reset to an identity matrix by Clear(), which mirrors it.
        self.node.SetOrientation(self.orientation)
        composite = self.logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(background.GetID())
        self.node.RotateToVolumePlane(background)
        self.logic.FitSliceToBackground()
        self.node.JumpSliceByOffsetting(*focus_ras)
        self._frame(box_ras)

    def _frame(self, box_ras: NDArray[np.float64], margin: float = 1.16) -> None:
        matrix = slicer.util.arrayFromVTKMatrix(self.node.GetSliceToRAS())
        across = (box_ras - matrix[:3, 3]) @ matrix[:3, :3]
        lower, upper = across.min(0), across.max(0)
        width, height = margin * (upper - lower)[:2]
        scale = max(width / self.size[0], height / self.size[1])
        matrix[:3, 3] += matrix[:3, :2] @ ((lower + upper) / 2)[:2]
        self.node.GetSliceToRAS().DeepCopy(matrix.ravel().tolist())
        self.node.SetFieldOfView(scale * self.size[0], scale * self.size[1], self.node.GetFieldOfView()[2])
        self.node.UpdateMatrices()

    def pixel_of(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """Return (row, column) in `grab()` of a RAS point (mm), projected onto the slice."""
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), inverse)
        x, y = inverse.MultiplyPoint((*ras, 1.0))[:2]
        return self.size[1] - 1 - round(y), round(x)

    def add_direction_letters(self, points: int) -> None:
        """Write the patient's direction at each edge as the slice's own matrix has it: R, L, A, P, S or I."""
        matrix = slicer.util.arrayFromVTKMatrix(self.node.GetSliceToRAS())
        right, up = direction_letter(matrix[:3, 0]), direction_letter(matrix[:3, 1])
        left, down = direction_letter(-matrix[:3, 0]), direction_letter(-matrix[:3, 1])
        places = {right: (0.965, 0.5), left: (0.035, 0.5), up: (0.5, 0.965), down: (0.5, 0.055)}
        for letter, place in places.items():
            self.add_text(letter, place, points)

    def _draw(self) -> Any:
        port = self.logic.GetImageDataConnection()
        self._mapper.SetInputConnection(port)
        self._actor.SetVisibility(port is not None)
        return super()._draw()


class ThreeDView(OffscreenView):
    """The 3D view with depth peeling, so that a translucent surface shows what lies inside it."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size, slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREED_MANAGERS)
        self.window.SetMultiSamples(0)  # depth peeling and multisampling exclude each other
        self.renderer.SetUseDepthPeeling(True)
        self.renderer.SetMaximumNumberOfPeels(12)
        self.renderer.SetOcclusionRatio(0.0)
        self.node = view_node("1")
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        self.managers.SetMRMLDisplayableNode(self.node)

    def look(self, azimuth: float, elevation: float, zoom: float = 1.0) -> None:
        """Look from the front, turned by `azimuth` degrees (positive: towards the patient's left) and raised."""
        camera_manager = self.managers.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager")
        camera_node = camera_manager.GetCameraNode()
        camera_node.RotateTo(slicer.vtkMRMLCameraNode.Anterior)
        camera = camera_node.GetCamera()
        camera.Azimuth(azimuth)
        camera.Elevation(elevation)
        self.renderer.ResetCamera()
        camera.Zoom(zoom)
        self.renderer.ResetCameraClippingRange()

    def pixel_of(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """Return (row, column) in `grab()` of a RAS point (mm) as the camera projects it."""
        self.renderer.SetWorldPoint(*ras, 1.0)
        self.renderer.WorldToDisplay()
        x, y = self.renderer.GetDisplayPoint()[:2]
        return self.size[1] - 1 - round(y), round(x)


def direction_letter(axis: NDArray[np.float64]) -> str:
    """Return R, L, A, P, S or I: the patient's direction nearest to an axis in RAS."""
    index = int(np.argmax(np.abs(axis)))
    return ("RAS" if axis[index] > 0 else "LPI")[index]
