"""The GazeCLIP teacher, from pixels and prompts to scores.

Gaze encoder, gaze-aware image encoder, visual perception and language refinement encoders.

    model = GazeCLIP.load(Path("runs/demo/teacher"))
    output = model(pixels)  # uint8 (B, 3, S, S) -> `TeacherOutput`
"""
