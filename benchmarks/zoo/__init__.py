"""Every student of the zoo on every target in every precision: what works, and what it costs.

gazeclip zoo                                       # what is known
gazeclip zoo --measure repvit_m0_9 --target onnx   # measured here
"""
