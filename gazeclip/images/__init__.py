"""Pictures from files: formats, depths, orientation, the pixel contract, walks through folders."""
