"""The page of the benchmarks says what was met, what was missed and what was not measured."""

from __future__ import annotations

from Testing.Benchmarks.page import page

ROWS = [
    {"name": "load_vs_monai", "unit": "peer / ours", "goal": ">= 5", "value": 3.04, "peer": "MONAI", "cases": []},
    {"name": "smocam_seconds", "unit": "s", "goal": "<= 20", "value": 12.345678, "peer": "no peer", "cases": []},
    {"name": "cohort_two_workers", "unit": "times 1 worker", "goal": ">= 1.6", "value": None, "peer": None,
     "cases": [], "skipped": "one core only"},
]  # fmt: skip


def test_each_row_has_its_verdict_and_a_missed_goal_its_reason() -> None:
    lines = page(ROWS, "a Xeon, 2 cores").splitlines()
    assert "| `load_vs_monai` | 3.04 peer / ours | >= 5 | **missed** | MONAI |" in lines
    assert "| `smocam_seconds` | 12.35 s | <= 20 | met | no peer |" in lines
    assert "| `cohort_two_workers` | - | >= 1.6 | not measured | one core only |" in lines
    reasons = [line for line in lines if line.startswith("- `")]
    assert len(reasons) == 1
    assert reasons[0].startswith("- `load_vs_monai`: What is left is ITK's resampling")
    assert "on a Xeon, 2 cores." in " ".join(lines)


def test_where_all_is_met_no_reason_is_given() -> None:
    assert "missed" not in page(ROWS[1:2], "a computer")
