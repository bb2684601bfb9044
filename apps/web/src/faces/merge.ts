/** Many overlapping answers for one face become one, by the rules of `runtimes/faces/merge.py`. */
import type { FaceBox, Point } from "./face";

const MAX_OVERLAP = 0.3;
const MAX_INSIDE = 0.7;
const TINY = 1e-9;

type Box = FaceBox["box"];

/** One for each face, the best score first. */
export function mergeFaces(found: readonly FaceBox[]): FaceBox[] {
  let left = [...found].sort((one, other) => other.score - one.score);
  const merged: FaceBox[] = [];
  while (left.length > 0) {
    const winner = left[0];
    const isSame = (face: FaceBox) => face === winner || overlap(winner.box, face.box) > MAX_OVERLAP;
    merged.push({ ...average(left.filter(isSame)), score: winner.score });
    left = left.filter((face) => !isSame(face));
  }
  return dropParts(merged);
}

function dropParts(faces: readonly FaceBox[]): FaceBox[] {
  const kept: FaceBox[] = [];
  for (const face of faces) {
    const area = Math.max(measureArea(face.box), TINY);
    if (!kept.some((better) => intersect(face.box, better.box) / area > MAX_INSIDE)) kept.push(face);
  }
  return kept;
}

/** Means weighted by score. */
function average(faces: readonly FaceBox[]): Omit<FaceBox, "score"> {
  const total = faces.reduce((sum, face) => sum + face.score, 0);
  const mean = (read: (face: FaceBox) => number) =>
    faces.reduce((sum, face) => sum + read(face) * face.score, 0) / total;
  const box = faces[0].box.map((_, side) => mean((face) => face.box[side])) as Box;
  const points = faces[0].points.map(
    (_, point): Point => [mean((f) => f.points[point][0]), mean((f) => f.points[point][1])],
  );
  return { box, points };
}

function overlap(one: Box, other: Box): number {
  const common = intersect(one, other);
  return common / Math.max(measureArea(one) + measureArea(other) - common, TINY);
}

function intersect(one: Box, other: Box): number {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

function measureArea([x0, y0, x1, y1]: Box): number {
  return (x1 - x0) * (y1 - y0);
}
