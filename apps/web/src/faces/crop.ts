/** The square around a face, by the rule of `runtimes/faces/crop.py`: the same whole pixels. */
import type { Crop } from "../pixels/picture";
import { roundHalfUp, type FaceBox } from "./face";

export interface CropRule {
  side: number;
  lift: number;
}

/** What is usual where a bundle says nothing (`gazeclip/images/crop_rule.py`). */
export const USUAL_RULE: CropRule = { side: 1.45, lift: 0.043 };
const MIN_SHARED = 0.65;
const MAX_ASPECT = 1.1;

export function cutSquare(face: FaceBox, width: number, height: number, rule: CropRule): Crop {
  const [left, top, right, bottom] = face.box;
  const wished = rule.side * Math.sqrt(Math.max(right - left, 0) * Math.max(bottom - top, 0));
  const side = Math.min(Math.max(1, roundHalfUp(wished)), width, height);
  const middleX = (left + right) / 2;
  const middleY = (top + bottom) / 2 - rule.lift * wished;
  if (isCropAlready(middleX - wished / 2, middleY - wished / 2, wished, width, height)) {
    return [0, 0, width, height];
  }
  const x0 = Math.min(Math.max(0, roundHalfUp(middleX - side / 2)), width - side);
  const y0 = Math.min(Math.max(0, roundHalfUp(middleY - side / 2)), height - side);
  return [x0, y0, x0 + side, y0 + side];
}

function isCropAlready(x0: number, y0: number, side: number, width: number, height: number) {
  if (Math.max(width, height) > MAX_ASPECT * Math.min(width, height)) return false;
  const sharedX = Math.max(0, Math.min(x0 + side, width) - Math.max(x0, 0));
  const sharedY = Math.max(0, Math.min(y0 + side, height) - Math.max(y0, 0));
  const shared = sharedX * sharedY;
  return shared >= MIN_SHARED * (side * side + width * height - shared);
}
