"""From a trained student to bundles: one module for each target, parity, calibration.

exporter = Exporter(run)  # export.stage
export_one(exporter, "onnx", "int8")
Bundle.load(run.folder("export/onnx"))
"""
