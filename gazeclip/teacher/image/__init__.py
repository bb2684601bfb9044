"""The gaze-aware image encoder: towers, gaze prompts, visual perception."""
