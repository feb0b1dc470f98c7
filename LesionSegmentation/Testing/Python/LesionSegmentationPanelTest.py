"""The panel in the real application: sample case, Apply, lesions in the scene. Run by ctest, or from the console."""

import time
import unittest

import slicer

TIME_LIMIT_S = 600


class LesionSegmentationPanelTest(unittest.TestCase):
    """Presses the buttons that a user presses."""

    def setUp(self) -> None:
        """Start from an empty scene and an opened panel."""
        slicer.mrmlScene.Clear()
        slicer.modules.lesionsegmentation.widgetRepresentation()
        self.panel = slicer.modules.LesionSegmentationWidget
        self.panel.enter()
        self.ui = self.panel.ui

    def test_applyIsLockedUntilTheImagesAreChosen(self) -> None:
        """An empty scene offers nothing to work on, and the tool tip says so."""
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("FLAIR", self.ui.applyButton.toolTip)

    def test_sampleCaseIsSegmentedWhileTheWindowStaysUsable(self) -> None:
        """The event loop runs on, and in the end the segmentation, the table and the summary are there."""
        from LesionLensLib.panel.Installation import missingPackages

        if missingPackages():
            self.skipTest(f"not installed: {', '.join(missingPackages())}")
        self.ui.sampleButton.click()
        self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
        self.ui.applyButton.click()
        self.assertTrue(self.panel.logic.isRunning, self.ui.statusLabel.text)
        self.assertEqual(self.ui.applyButton.text, "Cancel")
        deadline = time.monotonic() + TIME_LIMIT_S
        while self.panel.logic.isRunning and time.monotonic() < deadline:
            slicer.app.processEvents()
        self.assertFalse(self.panel.logic.isRunning)
        self.assertIsNotNone(self.panel._parameterNode.segmentation, self.ui.statusLabel.text)
        self.assertGreater(self.ui.lesionTable.rowCount, 0)
