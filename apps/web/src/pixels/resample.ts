/**
 * Scaling as Pillow does it, byte for byte: two passes, across and then down, with weights in whole
 * numbers of 22 bits and bytes in between (Pillow's src/libImaging/Resample.c). The scaling of a
 * canvas is another filter, and differs from browser to browser.
 */
import type { Picture } from "./picture";

export type Filter = "bilinear" | "bicubic";

const BITS = 22;
const HALF = 1 << (BITS - 1);

interface Kernel {
  reach: number;
  weigh: (x: number) => number;
}

const KERNELS: Record<Filter, Kernel> = {
  bilinear: { reach: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { reach: 2, weigh: weighBicubic },
};

/** Keys' cubic convolution with a = -1/2, in the order of operations that Pillow has. */
function weighBicubic(signed: number): number {
  const a = -0.5;
  const x = Math.abs(signed);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** For each output pixel: where its inputs begin, how many, and their weights. */
interface Taps {
  first: Int32Array;
  count: Int32Array;
  weights: Int32Array;
  stride: number;
}

function makeTaps(from: number, to: number, filter: Filter): Taps {
  const { reach, weigh } = KERNELS[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const row = new Float64Array(stride);
  for (let out = 0; out < to; out++) {
    const centre = (out + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let i = 0; i < high - low; i++) {
      row[i] = weigh((i + low - centre + 0.5) * (1 / stretch));
      sum += row[i];
    }
    for (let i = 0; i < high - low; i++) {
      const exact = (sum === 0 ? row[i] : row[i] / sum) * (1 << BITS);
      weights[out * stride + i] = Math.trunc(exact + (exact < 0 ? -0.5 : 0.5));
    }
    first[out] = low;
    count[out] = high - low;
  }
  return { first, count, weights, stride };
}

/** Sums are 32-bit whole numbers, as in C. */
function toByte(sum: number): number {
  const value = sum >> BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** A picture of `width` x `height` pixels. */
export function resize(picture: Picture, width: number, height: number, filter: Filter): Picture {
  const across = picture.width === width ? picture : scaleAcross(picture, width, filter);
  return across.height === height ? across : scaleDown(across, height, filter);
}

function scaleAcross(picture: Picture, width: number, filter: Filter): Picture {
  const { first, count, weights, stride } = makeTaps(picture.width, width, filter);
  const source = picture.data;
  const data = new Uint8Array(width * picture.height * 3);
  let to = 0;
  for (let y = 0; y < picture.height; y++) {
    const line = y * picture.width * 3;
    for (let x = 0; x < width; x++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = line + first[x] * 3;
      const end = x * stride + count[x];
      for (let tap = x * stride; tap < end; tap++) {
        const weight = weights[tap];
        red = (red + Math.imul(source[from], weight)) | 0;
        green = (green + Math.imul(source[from + 1], weight)) | 0;
        blue = (blue + Math.imul(source[from + 2], weight)) | 0;
        from += 3;
      }
      data[to++] = toByte(red);
      data[to++] = toByte(green);
      data[to++] = toByte(blue);
    }
  }
  return { data, width, height: picture.height };
}

function scaleDown(picture: Picture, height: number, filter: Filter): Picture {
  const { first, count, weights, stride } = makeTaps(picture.height, height, filter);
  const line = picture.width * 3;
  const data = new Uint8Array(line * height);
  const sums = new Int32Array(line);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let tap = 0; tap < count[y]; tap++) {
      const weight = weights[y * stride + tap];
      const from = (first[y] + tap) * line;
      for (let x = 0; x < line; x++) sums[x] += Math.imul(picture.data[from + x], weight);
    }
    for (let x = 0; x < line; x++) data[y * line + x] = toByte(sums[x]);
  }
  return { data, width: picture.width, height };
}
