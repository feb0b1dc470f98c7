"""Three slice views and a 3D view in the browser: drawn here by Slicer's displayable managers, sent as pictures."""

from __future__ import annotations

from typing import Any

import slicer
from trame.widgets import html
from trame_rca.encoders import RcaImageEncoder
from trame_slicer.app.logic import connect_slice_view_slider_to_state
from trame_slicer.app.ui.slider import Slider
from trame_slicer.core import LayoutManager, ViewManager
from trame_slicer.rca_view import register_rca_factories
from trame_slicer.views import Layout, LayoutDirection, ViewLayoutDefinition

from LesionLensLib.scene.layout import SLICES, prepare_slices
from LesionLensLib.scene.views import direction_letter
from LesionLensLib.web.result import Point

LAYOUT = "four views"
THREED = "ThreeD"
_LETTER = "position:absolute;color:white;font-weight:bold;text-shadow:0 0 3px black;pointer-events:none;"
# Right, left, upper and lower edge of a slice view.
_EDGES = (
    "right:10px;top:47%;", "left:10px;top:47%;", "top:6px;left:50%;", "bottom:34px;left:50%;",
)  # fmt: skip
_PEELS = 8


class Views:
    """The four views of the page; made before the scene is loaded, because legends must be younger than views.

    Texts of the page are states of the server: `place_Red` and its kin name the slice shown, as in "S 12.0 mm".
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._manager = ViewManager(slicer.mrmlScene, slicer.app.applicationLogic())
        register_rca_factories(
            self._manager,
            server,
            slice_view_ui_f=self._label_slice,
            three_d_view_ui_f=lambda *_: None,
            rca_encoder=RcaImageEncoder.JPEG,
        )
        self._layout = LayoutManager(slicer.mrmlScene, self._manager, server)
        self._layout.register_layout(LAYOUT, _four_views())
        self._layout.set_layout(LAYOUT)

    def place_in(self, page: Any) -> None:
        """Put the views where the page is being built."""
        self._layout.initialize_layout_grid(page)

    def stand_at(self, reference: Any, focus_ras: Point) -> None:
        """Show the whole of the reference image in anatomical directions at a RAS point (mm), and in 3D all there is.

        From now on a slice view that changes its size shows the whole image again.
        """
        prepare_slices(reference, focus_ras)
        for view in self._slice_views():
            view.modified.connect(self._follow)
            axes = slicer.util.arrayFromVTKMatrix(view.get_view_node().GetSliceToRAS())[:3, :2].T
            letters = [direction_letter(sign * axis) for axis in axes for sign in (1, -1)]
            self._server.state[f"letters_{view.get_singleton_tag()}"] = letters
            self._follow(view)
        self._look_from(focus_ras)

    def jump_to(self, reference: Any, ras: Point) -> None:
        """Move all slices to a point of the reference image (RAS, mm) and mark it with a crosshair."""
        world = [0.0, 0.0, 0.0]
        reference.TransformPointToWorld(ras, world)
        offset = slicer.vtkMRMLSliceNode.OffsetJumpSlice
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *world, offset)
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowSmallBasic)
        crosshair.SetCrosshairRAS(*world)

    def _slice_views(self) -> list[Any]:
        return [self._manager.get_view(name) for name, _ in SLICES.values()]

    def _label_slice(self, server: Any, view_id: str, view: Any) -> None:
        name = view.get_singleton_tag()
        server.state.setdefault(f"letters_{name}", ["", "", "", ""])
        server.state.setdefault(f"place_{name}", "")
        for index, edge in enumerate(_EDGES):
            html.Div(f"{{{{ letters_{name}[{index}] }}}}", style=_LETTER + edge)
        html.Div(f"{{{{ place_{name} }}}}", id=f"place-{name}", style=_LETTER + "top:6px;left:10px;")
        with html.Div(style="position:absolute;bottom:0;left:0;width:100%;"):
            Slider(typed_state=connect_slice_view_slider_to_state(server, view), theme="dark", density="compact")

    def _follow(self, view: Any) -> None:
        name, size = view.get_singleton_tag(), tuple(view.get_view_node().GetDimensions())
        if self._sizes.get(name) != size:
            self._sizes[name] = size  # first: fitting modifies the view, which calls this again
            _fit(view)
        matrix = view.get_view_node().GetSliceToRAS()
        axis = {"Sagittal": 0, "Coronal": 1, "Axial": 2}.get(view.get_orientation())
        if axis is not None:
            value = matrix.GetElement(axis, 3)
            side = ("RAS" if value >= 0 else "LPI")[axis]
            self._server.state[f"place_{name}"] = f"{side} {abs(value):.1f} mm"

    def _look_from(self, focus_ras: Point) -> None:
        view = self._manager.get_view(THREED)
        # A translucent surface must show what lies inside it; peeling and multisampling exclude each other.
        view.render_window().SetMultiSamples(0)
        view.renderer().SetUseDepthPeeling(True)
        view.renderer().SetMaximumNumberOfPeels(_PEELS)
        view.get_view_node().SetOrientationMarkerType(slicer.vtkMRMLAbstractViewNode.OrientationMarkerTypeCube)
        camera_node = view.get_camera_node()
        camera_node.RotateTo(slicer.vtkMRMLCameraNode.Anterior)
        # From the side on which the lesion lies, as the pictures of a result do.
        camera_node.GetCamera().Azimuth(-40 if focus_ras[0] > 0 else 40)
        camera_node.GetCamera().Elevation(18)
        view.renderer().ResetCamera()
        view.renderer().ResetCameraClippingRange()


def _fit(view: Any) -> None:
    """Fitting moves the slice to the middle of the volume too; it must stay where the reader has put it."""
    logic, matrix = view._logic, view.get_view_node().GetSliceToRAS()
    stood = [matrix.GetElement(axis, 3) for axis in range(3)]
    logic.FitSliceToBackground()
    view.get_view_node().JumpSliceByOffsetting(*stood)


def _four_views() -> Layout:
    """Axial and 3D above, coronal and sagittal below, under the names that Slicer's scenes use."""
    upper = [ViewLayoutDefinition.axial_view(), ViewLayoutDefinition.threed_view()]
    lower = [ViewLayoutDefinition.coronal_view(), ViewLayoutDefinition.sagittal_view()]
    rows = [Layout(LayoutDirection.Horizontal, upper), Layout(LayoutDirection.Horizontal, lower)]
    return Layout(LayoutDirection.Vertical, rows)
