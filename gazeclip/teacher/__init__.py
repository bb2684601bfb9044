"""The GazeCLIP teacher: gaze encoder, gaze-aware image encoder, visual perception and language
refinement encoders.
"""
