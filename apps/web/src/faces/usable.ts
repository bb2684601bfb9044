/** Whether a face can be judged, by the rules of `runtimes/faces/usable.py` and `blur.py`. */
import type { Crop, Picture } from "../pixels/picture";
import { resize } from "../pixels/resample";
import type { FaceBox } from "./face";

export type Obstacle = "too_small" | "cut_off" | "turned_away" | "blurred";
export type Outcome = Obstacle | "no_face";

const MAX_ENLARGEMENT = 2;
const MAX_OUTSIDE = 0.1;
const MAX_TURN = 0.75;
const LOOK_SIZE = 96;
const MIN_SHARPNESS = 0.03;
const LUMA = [0.299, 0.587, 0.114]; // ITU-R BT.601

/** Why a face in this place cannot be judged, blur apart; `size` is the side of the model's input. */
export function findObstacle(
  face: FaceBox,
  crop: Crop,
  width: number,
  height: number,
  size: number,
): Obstacle | null {
  if ((crop[2] - crop[0]) * MAX_ENLARGEMENT < size) return "too_small";
  const outside = ([x, y]: [number, number]) => x < 0 || x > width || y < 0 || y > height;
  if (measureOutside(face, width, height) > MAX_OUTSIDE || face.points.some(outside)) {
    return "cut_off";
  }
  return measureTurn(face) > MAX_TURN ? "turned_away" : null;
}

function measureOutside({ box: [x0, y0, x1, y1] }: FaceBox, width: number, height: number) {
  const seenWidth = Math.max(0, Math.min(x1, width) - Math.max(x0, 0));
  const seenHeight = Math.max(0, Math.min(y1, height) - Math.max(y0, 0));
  const area = (x1 - x0) * (y1 - y0);
  return area > 0 ? 1 - (seenWidth * seenHeight) / area : 1;
}

function measureTurn({ points: [right, left, nose] }: FaceBox): number {
  const across = [left[0] - right[0], left[1] - right[1]];
  const apart = Math.hypot(across[0], across[1]);
  if (apart === 0) return Infinity;
  const beside = [nose[0] - (right[0] + left[0]) / 2, nose[1] - (right[1] + left[1]) / 2];
  return Math.abs(across[0] * beside[0] + across[1] * beside[1]) / apart ** 2;
}

export function isBlurred(crop: Picture): boolean {
  return measureSharpness(crop) < MIN_SHARPNESS;
}

/** Variance of the Laplacian by the variance of the brightness; 0 where there is none. */
export function measureSharpness(crop: Picture): number {
  const side = Math.min(LOOK_SIZE, crop.width, crop.height);
  const { data } = resize(crop, side, side, "bicubic");
  const grey = new Float64Array(side * side);
  for (let i = 0; i < grey.length; i++) {
    grey[i] = LUMA[0] * data[i * 3] + LUMA[1] * data[i * 3 + 1] + LUMA[2] * data[i * 3 + 2];
  }
  const spread = measureVariance(grey);
  if (spread === 0 || side < 3) return 0;
  const edges = new Float64Array((side - 2) ** 2);
  let place = 0;
  for (let y = 1; y < side - 1; y++) {
    for (let x = 1; x < side - 1; x++) {
      const at = y * side + x;
      const around = grey[at - 1] + grey[at + 1] + grey[at - side] + grey[at + side];
      edges[place++] = around - 4 * grey[at];
    }
  }
  return measureVariance(edges) / spread;
}

function measureVariance(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}
