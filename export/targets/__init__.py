"""One module for each export target, each with `FILE`, `export(job)` and `rehearse(job)`.

job = ExportJob(student, None, "fp32", folder, classes, image_size=224)
onnx.export(job)["model"]  # "model.onnx"
"""
