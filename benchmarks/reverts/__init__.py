"""Twenty commits of different kinds, each reverted: is all as before, how long does it take, and does anything else notice?"""
