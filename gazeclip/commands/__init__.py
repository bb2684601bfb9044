"""The commands that belong to no later package: each module puts its options on a parser."""
