"""Films: frames by time stamp through PyAV, faces followed over them, one verdict for each track.

`film.py` holds it together. PyAV is the extra `video` and is imported when a film is opened.
"""
