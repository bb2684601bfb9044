/**
 * Which parts of a crop the evidence hangs on: each is covered in turn, and the LLR asked again.
 * Occlusion, after Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks"
 * (2014), https://arxiv.org/abs/1311.2901, here with soft edges: hard ones look like a forgery's.
 */

export interface HeatMap {
  /** Side S. */
  size: number;
  /** S x S, row by row: by how much the LLR rises through this place; negative: falls. */
  values: Float32Array;
  /** LLR of the whole crop, beyond the bundle's limits too. */
  llr: number;
}

/** The place that matters most. */
export interface Peak {
  /** From 0 (left, top) to 1. */
  x: number;
  y: number;
  value: number;
}

/** LLRs of `count` squares of RGB bytes, one after the other. */
export type Weigh = (pixels: Uint8Array, count: number) => Promise<number[]>;

export const PLACES = 10; // along each side
const COVERED = 0.25; // of the side
const RAMP = 0.25; // of the cover, at each of its edges
const BATCH = 5; // so that it can be stopped within a second

/**
 * @param pixels RGB of S x S.
 * @param progress called with the share that is done.
 * @throws the signal's reason, between batches.
 */
export async function occlude(
  weigh: Weigh,
  pixels: Uint8Array,
  size: number,
  signal: AbortSignal,
  progress: (share: number) => void,
): Promise<HeatMap> {
  const masks = listMasks(size);
  const [llr] = await weigh(pixels, 1);
  const values = new Float32Array(size * size);
  const weights = new Float32Array(size * size);
  const mean = findMean(pixels);
  for (let from = 0; from < masks.length ** 2; from += BATCH) {
    signal.throwIfAborted();
    const places = Array.from({ length: Math.min(BATCH, masks.length ** 2 - from) }, (_, i) => from + i);
    const pairs = places.map((at) => [masks[Math.floor(at / masks.length)], masks[at % masks.length]]);
    const batch = new Uint8Array(pixels.length * pairs.length);
    pairs.forEach(([rows, columns], place) => {
      batch.set(cover(pixels, mean, rows, columns), place * pixels.length);
    });
    const covered = await weigh(batch, pairs.length);
    pairs.forEach(([rows, columns], place) => {
      spread(values, weights, rows, columns, llr - covered[place]);
    });
    progress((from + pairs.length) / masks.length ** 2);
  }
  signal.throwIfAborted();
  return { size, values: values.map((value, place) => value / weights[place]), llr };
}

export function findPeak({ values, size }: HeatMap): Peak {
  let at = 0;
  values.forEach((value, place) => {
    if (Math.abs(value) > Math.abs(values[at])) at = place;
  });
  return {
    x: ((at % size) + 0.5) / size,
    y: (Math.floor(at / size) + 0.5) / size,
    value: values[at],
  };
}

/** How much of each row, or column, is covered at each place along a side, from 0 to 1. */
function listMasks(size: number): Float32Array[] {
  const side = Math.max(1, Math.round(size * COVERED));
  const ramp = side * RAMP;
  return Array.from({ length: PLACES }, (_, place) => {
    const start = Math.round(((size - side) * place) / (PLACES - 1));
    return Float32Array.from({ length: size }, (_, at) => {
      const inside = Math.min(at + 0.5 - start, start + side - at - 0.5);
      return Math.min(Math.max(inside / ramp, 0), 1);
    });
  });
}

function findMean(pixels: Uint8Array): number[] {
  const sums = [0, 0, 0];
  pixels.forEach((value, place) => (sums[place % 3] += value));
  return sums.map((sum) => (sum * 3) / pixels.length);
}

function cover(pixels: Uint8Array, mean: number[], rows: Float32Array, columns: Float32Array) {
  const size = rows.length;
  return pixels.map((value, place) => {
    const pixel = Math.floor(place / 3);
    const share = rows[Math.floor(pixel / size)] * columns[pixel % size];
    return Math.round(value + (mean[place % 3] - value) * share);
  });
}

/** Adds one place's change to what it covered. */
function spread(
  values: Float32Array,
  weights: Float32Array,
  rows: Float32Array,
  columns: Float32Array,
  change: number,
): void {
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      values[y * rows.length + x] += row * column * change;
      weights[y * rows.length + x] += row * column;
    });
  });
}
