"""From a trained student to bundles: one module for each target, parity, calibration.

exporter = Exporter(run)  # export.exporter
export_one(exporter, "onnx", "int8")  # export.stage
Bundle.load(run.folder("export/onnx"))
"""
