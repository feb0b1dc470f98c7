"""The phases in which a worker takes the GPU are phases that the tasks really go through."""

from LesionLensLib.cohort.gpu_gate import GPU_PHASES
from LesionLensLib.explain.job import run as explain
from LesionLensLib.inference import predict, segment


def test_every_gpu_phase_is_a_phase_of_its_task() -> None:
    phases = {"segment": segment.PHASES, "predict": predict.PHASES, "explain": explain.PHASES}
    assert set(GPU_PHASES) == set(phases)
    for task, names in GPU_PHASES.items():
        assert names <= set(phases[task])
        assert not names & {"read", "check", "register", "write", "scene"}
