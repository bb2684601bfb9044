"""A run folder and its rules: stages, lock, skipping, resuming, publishing.

run = Run(Path("runs/demo"))
execute(run, "cache", config={}, inputs={"teacher": run.output_hash("teacher")}, body=write)
"""
