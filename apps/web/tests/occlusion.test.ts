import { describe, expect, test } from "vitest";
import { findPeak, occlude, PLACES, type Weigh } from "../src/model/occlusion";
import { text } from "../src/text";

const SIZE = 40;
const go = new AbortController().signal;

/** White on black in a square, so that covering it by the mean makes it darker. */
function drawSpot(left: number, top: number, side: number): Uint8Array {
  const pixels = new Uint8Array(SIZE * SIZE * 3);
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) pixels.fill(255, (y * SIZE + x) * 3, (y * SIZE + x) * 3 + 3);
  }
  return pixels;
}

/** An LLR that is the brightness of one square, by `sign`. */
function weighSpot(left: number, top: number, side: number, sign = 1): Weigh {
  return async (pixels, count) =>
    Array.from({ length: count }, (_, image) => {
      let sum = 0;
      for (let y = top; y < top + side; y++) {
        for (let x = left; x < left + side; x++) sum += pixels[(image * SIZE * SIZE + y * SIZE + x) * 3];
      }
      return (sign * sum) / (255 * side * side);
    });
}

describe("occlusion", () => {
  test.each([
    [4, 4, "upper left"],
    [28, 16, "middle right"],
    [16, 16, "middle"],
    [16, 28, "lower middle"],
  ])("finds the spot at %i, %i", async (left, top, region) => {
    const pixels = drawSpot(left, top, 8);
    const map = await occlude(weighSpot(left, top, 8), pixels, SIZE, go, () => {});
    expect(map.llr).toBe(1);
    const peak = findPeak(map);
    expect(text.heat.region(peak.x, peak.y)).toBe(region);
    expect(peak.x * SIZE).toBeGreaterThan(left - 2);
    expect(peak.x * SIZE).toBeLessThan(left + 10);
    expect(peak.value).toBeGreaterThan(0.3);
    expect(peak.value).toBeLessThanOrEqual(1);
    // far away nothing was covered that counts
    const far = left < SIZE / 2 ? SIZE - 1 : 0;
    expect(map.values[top * SIZE + far]).toBeCloseTo(0, 6);
    expect(map.values.every(Number.isFinite)).toBe(true);
  });

  test("what speaks for a real face is negative", async () => {
    const map = await occlude(weighSpot(16, 16, 8, -1), drawSpot(16, 16, 8), SIZE, go, () => {});
    expect(findPeak(map).value).toBeLessThan(-0.3);
  });

  test("every place is asked for once, in batches, and the picture stays as it is", async () => {
    const pixels = drawSpot(4, 4, 8);
    const before = pixels.slice();
    const counts: number[] = [];
    const shares: number[] = [];
    const weigh: Weigh = async (batch, count) => {
      expect(batch.length).toBe(pixels.length * count);
      counts.push(count);
      return new Array(count).fill(0);
    };
    const map = await occlude(weigh, pixels, SIZE, go, (share) => shares.push(share));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(PLACES ** 2 + 1);
    expect(Math.max(...counts)).toBeLessThan(10);
    expect(shares[shares.length - 1]).toBe(1);
    expect(shares).toEqual([...shares].sort((one, other) => one - other));
    expect(pixels).toEqual(before);
    expect(findPeak(map).value).toBe(0);
  });

  test("it stops between batches", async () => {
    const stop = new AbortController();
    let asked = 0;
    const weigh: Weigh = async (_, count) => {
      asked += 1;
      if (asked === 3) stop.abort();
      return new Array(count).fill(0);
    };
    await expect(occlude(weigh, drawSpot(4, 4, 8), SIZE, stop.signal, () => {})).rejects.toThrow();
    expect(asked).toBe(3);
  });
});
