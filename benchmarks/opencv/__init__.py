"""From a frame to the aligned tensor with OpenCV and numpy: what `faceid_fast.face.aligner` is timed beside.

The same work as the Rust core's, by the same rules, so that the answers can be compared; written for speed
with these two: whole arrays, all starts of a fit at once, OpenCV wherever it has the operation. Left out, to
its advantage: cameras whose principal point is not known, the figures that liveness takes, and the reasons
why a frame gives no face.
"""
