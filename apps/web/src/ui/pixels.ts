/** Pixels of a crop as something to look at. */
import type { HeatMap } from "../model/occlusion";
import { make } from "./dom";

// Told apart by everyone, whatever colours they see.
const FOR_A_FORGERY = [255, 122, 0];
const FOR_A_REAL_FACE = [40, 110, 255];
const LUMA = [0.299, 0.587, 0.114]; // ITU-R BT.601
/** A change of the LLR that is shown in full colour if none is larger. */
const LEAST_FULL = 0.5;

/** RGB of S x S. */
export function paintCrop(pixels: Uint8Array, size: number): HTMLCanvasElement {
  return paint(size, (place) => [0, 1, 2].map((colour) => pixels[place * 3 + colour]));
}

/** The map's colours over the crop in grey. */
export function paintHeat(pixels: Uint8Array, { values, size }: HeatMap): HTMLCanvasElement {
  const full = values.reduce((most, value) => Math.max(most, Math.abs(value)), LEAST_FULL);
  return paint(size, (place) => {
    const grey = LUMA.reduce((sum, share, colour) => sum + share * pixels[place * 3 + colour], 0);
    const ink = values[place] > 0 ? FOR_A_FORGERY : FOR_A_REAL_FACE;
    const share = Math.abs(values[place]) / full;
    return ink.map((value) => grey + (value - grey) * share * 0.85);
  });
}

function paint(size: number, colourAt: (place: number) => number[]): HTMLCanvasElement {
  const canvas = make("canvas", { width: size, height: size });
  const image = new ImageData(size, size);
  for (let place = 0; place < size * size; place++) {
    image.data.set([...colourAt(place), 255], place * 4);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}
