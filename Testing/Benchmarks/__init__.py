"""Benchmarks: each figure is measured beside its peer, in turn, in the same run. Run `python -m Testing.Benchmarks`.

A row is a function in a module named `bench_*.py`, decorated with `harness.benchmark`; it is found by that name.
"""
