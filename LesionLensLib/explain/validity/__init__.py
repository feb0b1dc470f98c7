"""How far a map can be believed: does the answer need what it marks, does it come from what the network learned, does
it stay the same when choices of its maker change, and does it point at what is known to be true.

Every check works for every method: it takes the map, or a function that makes one of a question.
"""
