"""Protocol P1 to P4 (docs/protocol.md).

A model of a run on seen and unseen generators, unseen families and another data set:

    gazeclip protocol --run runs/demo --model student
"""
