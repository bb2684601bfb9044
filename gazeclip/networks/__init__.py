"""Networks that are trained and shipped, and their weights.

student = load_student(Path("runs/demo/student"))
encoder = load_backbone("resnet18", "none", num_classes=0)
"""
