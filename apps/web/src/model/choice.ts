/** Which bundle judges, in how many threads: what was fastest here, and is remembered. */
import type { Failure } from "../judge.worker";
import type { Times } from "./engine";
import type { Packed } from "./load";

export interface Way {
  /** Place among the page's bundles. */
  bundle: number;
  threads: number;
}

/** A way that was tried: its medians, or why it cannot be taken. */
export type Trial = Way & ({ times: Times } | { failure: Failure });

/** What was measured, and under which circumstances. */
export interface Memory {
  circumstances: string;
  trials: Trial[];
}

export const MOST_THREADS = 4;
const NAME = "gazeclip-trials";

/** Where and with what it was measured: if any of it changes, the measurement no longer counts. */
export function describeCircumstances(packed: readonly Packed[], threads: number): string {
  const { userAgent, hardwareConcurrency } = navigator;
  const bundles = packed.map(({ sha256 }) => sha256);
  return JSON.stringify([bundles, threads, userAgent, hardwareConcurrency]);
}

/** Threads that this page can have: without isolation there is no shared memory. */
export function countThreads(): number {
  if (!self.crossOriginIsolated) return 1;
  return Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
}

/** All ways, those with one thread first. */
export function listWays(packed: readonly Packed[], threads: number): Way[] {
  const counts = threads > 1 ? [1, threads] : [1];
  return counts.flatMap((count) => packed.map((_, bundle) => ({ bundle, threads: count })));
}

/** The fastest with one face in a photograph; null: none can be taken. */
export function chooseFastest(trials: readonly Trial[]): Way | null {
  let best: Way | null = null;
  let least = Infinity;
  for (const trial of trials) {
    if ("failure" in trial) continue;
    const took = trial.times.judge + trial.times.find;
    if (took >= least) continue;
    least = took;
    best = { bundle: trial.bundle, threads: trial.threads };
  }
  return best;
}

/** Medians of each time by itself. */
export function takeMedians(rounds: readonly Times[]): Times {
  return {
    judge: findMedian(rounds.map(({ judge }) => judge)),
    find: findMedian(rounds.map(({ find }) => find)),
  };
}

function findMedian(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 > 0 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** null: nothing was measured under these circumstances, or the browser keeps nothing. */
export function recall(circumstances: string): Trial[] | null {
  try {
    const memory: Memory | null = JSON.parse(localStorage.getItem(NAME) ?? "null");
    return memory?.circumstances === circumstances ? memory.trials : null;
  } catch {
    return null;
  }
}

export function remember(circumstances: string, trials: Trial[]): void {
  try {
    localStorage.setItem(NAME, JSON.stringify({ circumstances, trials }));
  } catch {
    // a browser may forbid it: then it is measured at each start
  }
}
