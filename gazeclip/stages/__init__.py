"""The stages up to the baseline, and the loading of what they trained."""
