"""Whether a soak can run here: versions, soak directory, clocks, profile, and a live target.

Nothing is changed: files are made in a directory of their own, which is removed. A live target is
only read, unless ``--apply`` delivers its start values once.
"""
