/** A face that was found, in pixels of the upright picture. */
export type Point = [number, number];

export interface FaceBox {
  /** x0, y0, x1, y1; may reach beyond the picture. */
  box: [number, number, number, number];
  /** The person's right eye and left eye, the nose, the right and the left corner of the mouth. */
  points: Point[];
  /** From 0 to 1. */
  score: number;
}

export function roundHalfUp(value: number): number {
  return Math.floor(value + 0.5);
}
