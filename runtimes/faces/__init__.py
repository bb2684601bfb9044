"""Faces in ordinary photographs: found by YuNet, and cut as the training images were.

`yunet.onnx` is the detector, `NOTICE` says whose it is; `tools/build_yunet.py` makes it again.
"""
