/** A bundle as the page knows it: the parts of bundle.json that it reads (docs/bundle.md). */
import type { CropRule } from "../faces/crop";
import type { Filter } from "../pixels/resample";

export interface BundleClass {
  name: string;
  title: string;
  category: string;
  family: string;
}

export interface PointEntry {
  fake_from: number;
  real_below: number;
  target_fpr: number | null;
  target_miss: number | null;
  fpr_bound: number | null;
  miss_bound: number | null;
  n_real: number | null;
  n_fake: number | null;
}

export type ScoreName = "detection" | "log_odds" | "margin";

export interface Evidence {
  weights: Partial<Record<ScoreName, number>>;
  bias: number;
  limits: [number, number];
}

export const OUTPUTS = ["embedding", "logits", "fake_logit", "gaze"] as const;
export type OutputName = (typeof OUTPUTS)[number];

export interface Bundle {
  schema: number;
  target: string;
  precision: string;
  model_file: string;
  digest: string;
  image_size: number;
  embedding_dim: number;
  classes: BundleClass[];
  contract: {
    interpolation: Filter;
    size: number;
    version: number;
    crop?: "face" | "whole";
    crop_side?: number;
    crop_lift?: number;
  };
  /** false: the output of that name was never trained. */
  gaze?: boolean;
  evidence: Evidence;
  temperature: { attribution: number };
  thresholds: Record<string, PointEntry>;
  golden: { n: number; tolerance: Record<OutputName, number> };
  io: Record<OutputName | "image", string>;
  files: Record<string, { bytes: number; sha256: string }>;
}

export const SCHEMA = 2;
export const CONTRACT_VERSION = 2;
export const SHIPPED_POINT = "fpr1";

/** The rule by which faces are cut; null: the bundle says that images are judged whole. */
export function readRule(bundle: Bundle): CropRule | null {
  const { crop, crop_side: side, crop_lift: lift } = bundle.contract;
  return crop === "face" && side !== undefined && lift !== undefined ? { side, lift } : null;
}
