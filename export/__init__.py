"""From a trained student to bundles: one module for each target, parity, calibration."""
