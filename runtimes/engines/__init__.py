"""One module for each inference library, behind one interface.

engine = find_engine("onnxruntime").load()  # runtimes.engines.registry
engine(bundle, threads=1).infer(images)["fake_logit"]  # (B, 1)
"""
