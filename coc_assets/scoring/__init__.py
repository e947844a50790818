"""Scoring: how far a consumer's predicted trajectories are from what was driven.

Predictions are read and held against the samples of a set, whose truth lies in its shards. Nothing is written but what
is asked for.
"""
