"""Two reports side by side, and whether one is worse than was agreed.

python -m benchmarks compare OLD NEW --fail-if "latency>1.1x or auc<-0.5pt"
"""
