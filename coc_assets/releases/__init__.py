"""Releases: a training set frozen from finished chunks, compared with another, and checked anywhere.

A release reads what `training_shards` made and writes a folder of its own, whole or not at all. Nothing is decoded or
decided anew: which samples go in, in which order and into which shards follows from the samples and the settings alone.
"""
