"""Models that learn while they score: pure, of small state, and the same for the same values in the same order.

Floats are added with `math.fsum`, because the plain `sum` rounds otherwise from Python 3.12 on than before.
"""
