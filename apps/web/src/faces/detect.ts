/** Faces of a picture: letterbox, network, threshold, one box for each (`runtimes/faces`). */
import type { Picture } from "../pixels/picture";
import { resize } from "../pixels/resample";
import type { FaceBox, Point } from "./face";
import { mergeFaces } from "./merge";

export const INPUT_SIZE = 640;
const MARGIN = 16;
const MIN_SCORE = 0.5;
const POINTS = 5;

export interface Letterbox {
  /** RGB of the square, black around the picture. */
  pixels: Uint8Array;
  scale: Point;
  offset: Point;
}

/** What the network gives: boxes (N, 4), points (N, 5, 2) and scores (N,) in pixels of the square. */
export interface Found {
  boxes: Float32Array;
  points: Float32Array;
  scores: Float32Array;
}

/** A picture in the middle of the square, its longer side as long as that less the margins. */
export function fitIntoSquare(picture: Picture): Letterbox {
  const factor = (INPUT_SIZE - 2 * MARGIN) / Math.max(picture.width, picture.height);
  const width = Math.max(1, roundHalfEven(picture.width * factor));
  const height = Math.max(1, roundHalfEven(picture.height * factor));
  const offset: Point = [(INPUT_SIZE - width) >> 1, (INPUT_SIZE - height) >> 1];
  const small = resize(picture, width, height, "bilinear").data;
  const pixels = new Uint8Array(INPUT_SIZE * INPUT_SIZE * 3);
  for (let y = 0; y < height; y++) {
    const line = small.subarray(y * width * 3, (y + 1) * width * 3);
    pixels.set(line, ((y + offset[1]) * INPUT_SIZE + offset[0]) * 3);
  }
  return { pixels, scale: [width / picture.width, height / picture.height], offset };
}

/** Python's `round`. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.floor(value + 0.5);
  return low % 2 === 0 ? low : low + 1;
}

/** Faces of the picture that the square was made of, the largest first. */
export function readFaces({ boxes, points, scores }: Found, square: Letterbox): FaceBox[] {
  const sure: FaceBox[] = [];
  scores.forEach((score, row) => {
    if (score < MIN_SCORE) return;
    const box = [...boxes.subarray(row * 4, row * 4 + 4)] as FaceBox["box"];
    const places: Point[] = [];
    for (let point = row * POINTS; point < (row + 1) * POINTS; point++) {
      places.push([points[point * 2], points[point * 2 + 1]]);
    }
    sure.push({ box, points: places, score });
  });
  const back = ([x, y]: Point): Point => [
    (x - square.offset[0]) / square.scale[0],
    (y - square.offset[1]) / square.scale[1],
  ];
  const faces = mergeFaces(sure).map(({ box: [x0, y0, x1, y1], points: places, score }) => ({
    box: [...back([x0, y0]), ...back([x1, y1])] as FaceBox["box"],
    points: places.map(back),
    score,
  }));
  const area = ({ box: [x0, y0, x1, y1] }: FaceBox) => (x1 - x0) * (y1 - y0);
  return faces.sort((one, other) => area(other) - area(one));
}
