"""Where an answer came from: occlusion, SMOCAM, gradients and attention maps, how far they hold, coloured surfaces.

Everything here explains a `Question`, a number that networks make of one image, whatever the model is for. Surfaces
and regions need no torch.
"""
