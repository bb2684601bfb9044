/** Opens what is to judge: what the address asks for, what was fastest, or else the first that can. */
import {
  chooseFastest,
  countThreads,
  describeCircumstances,
  listWays,
  recall,
  remember,
  takeMedians,
  type Trial,
  type Way,
} from "./model/choice";
import type { Times } from "./model/engine";
import { PACKED } from "./model/load";
import { describeFailure, JudgeThread, type OpenModel } from "./thread";

// Enough for a median while a first visitor waits; the first round warms up and is not counted.
const ROUNDS = 7;
/** Another bundle may pass where one fails in these; any other fault is one of the page. */
const OF_THE_BUNDLE = ["test", "engine"];

const most = countThreads();
const circumstances = describeCircumstances(PACKED, most);
const threads = new Map<number, JudgeThread>();

export interface Start {
  model: OpenModel;
  trials: Trial[];
  /** Whether the address asks for this way: then nothing is measured. */
  asked: boolean;
}

/** The way that the address asks for with `file` and `threads`; null: it asks for none. */
export function readAddress(search: string): Way | null {
  const query = new URLSearchParams(search);
  if (!query.has("file") && !query.has("threads")) return null;
  const bundle = PACKED.findIndex(({ precision }) => precision === query.get("file"));
  const count = Number(query.get("threads")) || 1;
  return { bundle: Math.max(0, bundle), threads: Math.min(count, most) };
}

export async function openFirst(): Promise<Start> {
  const asked = readAddress(location.search);
  if (asked !== null) return { model: await open(asked), trials: [], asked: true };
  const known = recall(circumstances) ?? [];
  const best = chooseFastest(known);
  // one thread is ready soonest, and no way is known to be better
  const others = listWays(PACKED, 1).filter(({ bundle, threads: count }) => {
    return bundle !== best?.bundle || count !== best.threads;
  });
  const ways = best === null ? others : [best, ...others];
  const failed: Trial[] = [];
  let first: unknown;
  for (const way of ways) {
    try {
      const model = await open(way);
      return { model, trials: failed.length > 0 ? failed : known, asked: false };
    } catch (error) {
      const failure = describeFailure(error);
      if (!OF_THE_BUNDLE.includes(failure.reason)) throw error;
      first ??= error;
      failed.push({ ...way, failure });
    }
  }
  throw first;
}

/**
 * Measures every way, and remembers it.
 *
 * @param stop asked between steps; if it says so, all is left as it was: null.
 */
export async function measureWays(stop: () => boolean): Promise<Trial[] | null> {
  const trials: Trial[] = [];
  const ways = listWays(PACKED, most);
  for (const count of new Set(ways.map(({ threads: number }) => number))) {
    const measured = await measureThreads(count, stop);
    if (measured === null) return null;
    trials.push(...measured);
  }
  remember(circumstances, trials);
  return trials;
}

/** All bundles in one thread, in turns, so that what disturbs the machine disturbs them alike. */
async function measureThreads(count: number, stop: () => boolean): Promise<Trial[] | null> {
  const models: OpenModel[] = [];
  const trials: Trial[] = [];
  for (const bundle of PACKED.keys()) {
    if (stop()) return null;
    try {
      models.push(await open({ bundle, threads: count }));
    } catch (error) {
      trials.push({ bundle, threads: count, failure: describeFailure(error) });
    }
  }
  const rounds = new Map<number, Times[]>(models.map(({ bundle }) => [bundle, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const model of models) {
      if (stop()) return null;
      const times = await model.time();
      if (round > 0) rounds.get(model.bundle)?.push(times);
    }
  }
  // the face detector is the same beside all of them
  const { find } = takeMedians([...rounds.values()].flat());
  for (const [bundle, times] of rounds) {
    trials.push({ bundle, threads: count, times: { ...takeMedians(times), find } });
  }
  return trials.sort((one, other) => one.bundle - other.bundle);
}

export function open({ bundle, threads: count }: Way): Promise<OpenModel> {
  const thread = threads.get(count) ?? new JudgeThread(count);
  threads.set(count, thread);
  return thread.open(bundle);
}

/** Ends what does not judge: waiting threads take time from others. */
export function keepOnly({ threads: count }: Way): void {
  for (const [number, thread] of threads) {
    if (number === count) continue;
    thread.close();
    threads.delete(number);
  }
}
