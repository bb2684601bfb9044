/** Python's answers (tools/web_expected.py writes them, a test there holds that they are so). */
import { readFileSync } from "node:fs";
import type { FaceBox } from "../src/faces/face";
import type { CropRule } from "../src/faces/crop";
import type { BundleClass, Evidence } from "../src/model/bundle";
import type { NamedPoint } from "../src/model/report";
import type { Share } from "../src/model/verdict";
import type { Crop, Picture } from "../src/pixels/picture";
import type { Filter } from "../src/pixels/resample";

interface Encoded {
  width: number;
  height: number;
  data: string;
}

interface Expected {
  resize: { filter: Filter; picture: Encoded; wanted: Encoded }[];
  letterbox: { width: number; height: number; scale: number[]; offset: number[]; sum: number }[];
  crops: {
    width: number;
    height: number;
    face: FaceBox;
    rule: CropRule;
    crop: Crop;
    obstacle: string | null;
  }[];
  merge: { found: FaceBox[]; wanted: FaceBox[] };
  sharpness: { picture: Encoded; wanted: number }[];
  verdicts: {
    evidence: Evidence;
    temperature: number;
    classes: BundleClass[];
    points: NamedPoint[];
    reliable: boolean[];
    cases: {
      fake_logit: number;
      logits: number[];
      llr: number;
      strength: string;
      answers: string[];
      fake_probability: number;
      attribution: Share[];
      generator: Share;
    }[];
  };
  keys: string[];
}

const file = new URL("./expected.json", import.meta.url);
export const expected: Expected = JSON.parse(readFileSync(file, "utf8"));
export const MODEL_SIZE = 96;

export function decodePicture({ width, height, data }: Encoded): Picture {
  return { width, height, data: new Uint8Array(Buffer.from(data, "base64")) };
}
