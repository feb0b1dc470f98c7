"""The page: pictures on the right; on the left what the report says, the rows that lead to a place, the layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import trame_slicer.module
from trame.app import get_server
from trame.ui.vuetify3 import VAppLayout
from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionLensLib.errors import InternalFault
from LesionLensLib.scene.renderer import require_renderer
from LesionLensLib.scene.start import start
from LesionLensLib.scene_child import SCENE_FILE
from LesionLensLib.web.guard import Guard
from LesionLensLib.web.layers import NO_MAP, Layers
from LesionLensLib.web.load import load_files, load_scene_file
from LesionLensLib.web.result import RESEARCH_USE, RowTable, made_with, read_report, read_rows, sentences
from LesionLensLib.web.views import Views

PANEL_WIDTH = 400
WITHOUT_IMAGES = "The folder has no scene, so the images themselves are not shown; --scene makes one."


class ResultPage:
    """The page of one result folder, which is read once and never written to."""

    def __init__(self, folder: Path) -> None:
        report = read_report(folder)
        require_renderer()
        start()
        self._guard = Guard()
        self._server = get_server("lesionlens", client_type="vue3")
        self._server.enable_module(trame_slicer.module)
        self._views = Views(self._server)
        has_scene = (folder / SCENE_FILE).is_file()
        node, focus = (None, load_scene_file(folder)) if has_scene else load_files(folder, report)
        self._layers, self._table = Layers(node), read_rows(folder, report)
        self._views.stand_at(self._layers.reference, focus)
        said = sentences(report) if has_scene else [*sentences(report), WITHOUT_IMAGES]
        self._set_state(f"{report['model']['id']}: {folder.resolve().name}", made_with(report), said)
        self._build()

    def serve(self, on_ready: Callable[[str], None]) -> None:
        """Serve until the process ends; `on_ready` is given the address, token and all, once it answers."""
        self._server.controller.on_server_bind.add(lambda bound: self._guard.install(bound.app))
        self._server.controller.on_server_ready.add(lambda **_: on_ready(self._address()))
        self._server.start(open_browser=False, show_connection_info=False, disable_logging=True)

    def _address(self) -> str:
        (host, port), *others = self._server._server.runner.addresses
        if others or host != "127.0.0.1":
            raise InternalFault("The page would be seen from other computers.", "Please report this.", f"{host}")
        return f"http://{host}:{port}/?token={self._guard.token}"

    def _set_state(self, title: str, model: str, said: list[str]) -> None:
        state, layers = self._server.state, self._layers
        state.update({"trame__title": f"LesionLens, {title}", "title": title, "model": model})
        state.update({"said": said, "titles": list(self._table.titles), "row": -1})
        state.update({"cells": [list(row.cells) for row in self._table.rows]})
        state.update({"maps": [NO_MAP, *layers.maps], "map": layers.shown_map, "opacity": layers.opacity})
        state.update({"outlines": True, "surfaces": True})
        state.change("map", "opacity")(lambda map, opacity, **_: self._show_map(map, opacity))
        state.change("outlines")(lambda outlines, **_: layers.show_outlines(bool(outlines)))
        state.change("surfaces")(lambda surfaces, **_: layers.show_surfaces(bool(surfaces)))

    def _show_map(self, name: Any, opacity: Any) -> None:
        self._layers.show_map(str(name), min(max(float(opacity), 0.0), 1.0))

    def _go(self, index: int) -> None:
        """Lead to the place of a row; a row that does not exist or has no place changes nothing."""
        table: RowTable = self._table
        if not 0 <= index < len(table.rows):
            return
        point = table.rows[index].ras
        if point is not None:
            self._server.state.row = index
            self._views.jump_to(self._layers.reference, point)

    def _build(self) -> None:
        with VAppLayout(self._server, theme="dark") as page:
            with v3.VNavigationDrawer(permanent=True, width=PANEL_WIDTH, classes="pa-4"):
                html.H2("{{ title }}", classes="text-h6")
                html.P(RESEARCH_USE, classes="text-warning font-weight-bold", id="research")
                html.P("{{ model }}", classes="text-body-2 mb-2", id="model")
                html.P("{{ text }}", v_for="(text, i) in said", key="i", classes="text-body-2 mb-2 said")
                self._build_layers()
                self._build_table()
            with v3.VMain(style="height:100vh"):
                self._views.place_in(page)

    def _build_layers(self) -> None:
        select = {"density": "compact", "hide_details": True}
        v3.VSelect(v_if="maps.length > 1", v_model=("map",), items=("maps",), label="Over the image", **select)
        v3.VSlider(v_if="maps.length > 1", v_model=("opacity",), min=0, max=1, step=0.05, label="Opacity", **select)
        v3.VCheckbox(v_model=("outlines",), label="Outlines", id="outlines", **select)
        v3.VCheckbox(v_model=("surfaces",), label="Surfaces in 3D", id="surfaces", **select)

    def _build_table(self) -> None:
        with v3.VTable(v_if="cells.length", density="compact", hover=True, classes="mt-2", id="rows"):
            with html.Thead(), html.Tr():
                html.Th("{{ title }}", v_for="title in titles", key="title", classes="px-1")
            with html.Tbody(), html.Tr(
                v_for="(one, i) in cells",
                key="i",
                click=(self._go, "[i]"),
                style=("row == i ? 'cursor:pointer;background:#345' : 'cursor:pointer'",),
            ):
                html.Td("{{ text }}", v_for="(text, j) in one", key="j", classes="px-1")
