"""Metastases simulated in real, painted and digital brains, with local failure by a stated mechanism."""
