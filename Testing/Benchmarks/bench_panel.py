"""What a panel costs the application's own thread: to open, while a segmentation runs, and to show its result.

Milliseconds of the processor, in a process of its own each time: a quiet machine takes no longer by the clock. The head
is the full-size simulated one, the model a tiny one: the network's size does not matter to the panel.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from Testing.Benchmarks.harness import REPOSITORY, Measured, Skipped, benchmark

MODULES = ("LesionSegmentation", "MetastasisOutcome", "AttentionExplain")
REPEATS = 3
OPEN = """
import sys, time
from Testing.stand_in import PanelHost, install
install()
start = time.process_time()
host = PanelHost(sys.argv[1])
print(1000 * (time.process_time() - start))
"""
RUN = """
import json, os, sys, tempfile, time
from pathlib import Path
sys.path.insert(0, "Testing")
from tiny_model import write_tiny_model
models = Path(tempfile.mkdtemp())
write_tiny_model(models / "tiny-ms")
os.environ["LESIONLENS_MODELS"] = str(models)
from LesionLensLib.phantom import make_head_phantom
from Testing.stand_in import PanelHost, install
slicer = install()
import qt
panel = PanelHost("LesionSegmentation").panel
panel.ui.modelSelector.setCurrentIndex(0)
from LesionSegmentationLib.SampleCase import addHead
panel.parts.rows.choose(addHead(make_head_phantom()))
beats = [(time.thread_time(), "")]
def beat():
    told = panel.ui.statusLabel.text if panel.logic.isRunning else "ended"
    beats.append((time.thread_time(), told))
timer = qt.QTimer()
timer.setInterval(1)
timer.connect("timeout()", beat)
timer.start()
panel.ui.applyButton.click()
while beats[-1][1] != "ended":
    slicer.app.processEvents()
    time.sleep(0.0005)
assert panel._result is not None, panel.ui.statusLabel.text
longest = {"running": 0.0, "showing": 0.0}
for (before, told), (after, tells) in zip(beats, beats[1:]):
    phase = "showing" if "ended" in (told, tells) or "Showing the result" in (told, tells) else "running"
    longest[phase] = max(longest[phase], 1000 * (after - before))
print(json.dumps([longest["running"], longest["showing"]]))
"""


def _last_line(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=Path(REPOSITORY), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Skipped(f"no panel can be opened here: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip().splitlines()[-1]


@cache
def _run() -> tuple[float, float]:
    """Return the longest pause while a segmentation runs, and the longest while its result is shown (ms)."""
    runs = [json.loads(_last_line(RUN)) for _ in range(REPEATS)]
    pause, shown = (min(column) for column in zip(*runs, strict=True))
    return pause, shown


@benchmark("panel_opens_ms", "ms of the processor, the slowest panel", "<= 300")
def panel_opens() -> Measured:
    """Open each panel anew in its own process, with the shipped models."""
    times = {module: min(float(_last_line(OPEN, module)) for _ in range(REPEATS)) for module in MODULES}
    cases = [{"module": module, "ms": round(ms, 1)} for module, ms in times.items()]
    return Measured(max(times.values()), "none", cases)


@benchmark("panel_longest_pause_ms", "ms of the processor", "<= 100")
def panel_pauses() -> Measured:
    """From the press of Apply until the child has ended."""
    return Measured(_run()[0], "none")


@benchmark("panel_shows_result_ms", "ms of the processor", "<= 100")
def panel_shows() -> Measured:
    """The longest of the steps in which nodes, surfaces and table of a result are made when the child has ended."""
    return Measured(_run()[1], "none")
