"""The commands of the runtimes: their options, what they name, and how answers are written."""
