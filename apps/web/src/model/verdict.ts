/** Outputs of the model become evidence and answers, as `runtimes/judge.py` makes them. */
import type { Bundle, BundleClass, Evidence, OutputName, PointEntry } from "./bundle";

export type Answer = "real" | "fake" | "inconclusive";
export type Outputs = Record<OutputName, number[]>;

export interface Share extends BundleClass {
  p: number;
}

/** What does not depend on thresholds. */
export interface Findings {
  llr: number;
  strength: Strength;
  attribution: Share[];
  /** null: the model learnt none. */
  gaze: { pitch: number; yaw: number } | null;
  embedding: number[];
}

const STRENGTHS = [
  [6, "extremely strong"],
  [4, "very strong"],
  [3, "strong"],
  [2, "moderately strong"],
  [1, "moderate"],
  [Math.log10(2), "weak"],
  [0, "none"],
] as const;
export type Strength = (typeof STRENGTHS)[number][1];

export function findOut(bundle: Bundle, outputs: Outputs): Findings {
  const llr = weigh(bundle.evidence, outputs.fake_logit[0], outputs.logits);
  const shares = softmax(outputs.logits, bundle.temperature.attribution);
  const attribution = bundle.classes.map((entry, place) => ({ ...entry, p: shares[place] }));
  attribution.sort((one, other) => other.p - one.p);
  const [pitch, yaw] = outputs.gaze;
  return {
    llr,
    strength: nameStrength(llr),
    attribution,
    gaze: bundle.gaze === false ? null : { pitch, yaw },
    embedding: outputs.embedding,
  };
}

/** The log-likelihood ratio of forged against real, within its limits. */
export function weigh(evidence: Evidence, fakeLogit: number, logits: readonly number[]): number {
  const [least, most] = evidence.limits;
  return Math.min(Math.max(addUp(evidence, fakeLogit, logits), least), most);
}

/** The same of several images, and beyond the limits: there it would not change any more. */
export function weighFreely(evidence: Evidence, outputs: Outputs, classes: number): number[] {
  return outputs.fake_logit.map((fakeLogit, place) => {
    const logits = outputs.logits.slice(place * classes, (place + 1) * classes);
    return addUp(evidence, fakeLogit, logits);
  });
}

function addUp(evidence: Evidence, fakeLogit: number, logits: readonly number[]): number {
  const forged = logits.slice(1);
  const best = Math.max(...forged);
  const mass = best + Math.log(forged.reduce((sum, value) => sum + Math.exp(value - best), 0));
  const scores = { detection: fakeLogit, log_odds: mass - logits[0], margin: best - logits[0] };
  let llr = evidence.bias;
  for (const [name, weight] of Object.entries(evidence.weights)) {
    llr += weight * scores[name as keyof typeof scores];
  }
  return llr;
}

function softmax(logits: readonly number[], temperature: number): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((value) => Math.exp((value - top) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

export function sigmoid(logit: number): number {
  return 0.5 * (1 + Math.tanh(0.5 * logit));
}

export function nameStrength(llr: number): Strength {
  const orders = Math.abs(llr) / Math.log(10);
  return (STRENGTHS.find(([least]) => orders >= least) ?? STRENGTHS[STRENGTHS.length - 1])[1];
}

export function decide(llr: number, point: PointEntry): Answer {
  if (llr >= point.fake_from) return "fake";
  return llr < point.real_below ? "real" : "inconclusive";
}

/** Shares of the forgeries among themselves, the largest first. */
export function shareAmongForgeries(attribution: readonly Share[]): Share[] {
  const forged = attribution.filter((entry) => entry.name !== "real");
  const total = forged.reduce((sum, entry) => sum + entry.p, 0);
  return forged.map((entry) => ({ ...entry, p: total > 0 ? entry.p / total : 1 / forged.length }));
}

/** Whether enough images were seen to show that both rates are kept. */
export function isReliable(point: PointEntry): boolean {
  const kept = (bound: number | null, target: number | null) =>
    bound === null || target === null || bound <= target;
  return kept(point.fpr_bound, point.target_fpr) && kept(point.miss_bound, point.target_miss);
}
