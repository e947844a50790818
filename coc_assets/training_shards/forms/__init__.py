"""What a training set is written as besides shards, each form in a module of its own (training exports, A, C and Also).

A form is written from the samples' words alone, for one chunk by the asset and for a whole set by a release, into a
folder named after it.
"""
