"""Digital phantoms as training volumes."""

import numpy as np

from LesionLensLib.training.pool import phantom_entries


def test_a_phantom_joins_the_pool_with_its_exact_lesions_inside_its_brain() -> None:
    (entry,) = phantom_entries(1)
    assert not entry.is_real
    assert entry.channels.shape == (3, *entry.brain.shape)
    assert entry.lesion.sum() > 3000
    assert (entry.lesion & ~entry.brain).sum() < 0.02 * entry.lesion.sum()
    flair = entry.channels[2].astype(np.float32)
    healthy = entry.brain & ~entry.lesion
    assert np.median(flair[entry.lesion]) > 1.2 * np.median(flair[healthy])
