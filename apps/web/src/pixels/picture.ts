/** A picture in memory: RGB bytes, row by row, three for each pixel. */
export interface Picture {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Whole pixels: `x0, y0` inside, `x1, y1` just outside. */
export type Crop = [number, number, number, number];

/** RGB of the RGBA that a canvas gives, the alpha dropped. */
export function dropAlpha(rgba: Uint8ClampedArray, width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from];
    data[to + 1] = rgba[from + 1];
    data[to + 2] = rgba[from + 2];
  }
  return { data, width, height };
}

/** The part of a picture inside a crop, which must lie within it. */
export function cutOut(picture: Picture, [x0, y0, x1, y1]: Crop): Picture {
  const width = x1 - x0;
  const height = y1 - y0;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((y + y0) * picture.width + x0) * 3;
    data.set(picture.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { data, width, height };
}
