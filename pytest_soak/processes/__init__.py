"""Processes of a live target: declared, started, watched, restarted, and ended without a rest.

The package knows neither pytest nor profiles nor the loop. :class:`.client.Processes` is what a
target uses; the processes themselves are children of one supervisor per lane
(:mod:`.supervisor`), which ends them when the process of the client ends, however it ends.
"""
