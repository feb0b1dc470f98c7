"""Where networks can be cut, and where the features found there lie in the image.

Methods that look at one layer (SMOCAM, Grad-CAM) compute its features once and then run the rest of the network alone.
A network is cut by running its own parts in their own order: nothing is hooked into it, and nothing of it is changed.
"""
