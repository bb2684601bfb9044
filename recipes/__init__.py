"""The recipes that come with the program, as data: `gazeclip run --list` shows them.

    gazeclip run demo
    gazeclip run real --set data.manifest=MANIFEST.csv --set teacher.model.gaze.weights=FILE.pth

The first comment line of a file says what the recipe is, the line `Needs:` what it takes.
"""
