"""Bundles timed where they will run: a telephone behind adb, or Core ML's units of a Mac."""
