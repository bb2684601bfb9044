/** From a file to findings: decode, find faces, cut, run (`runtimes/sources.py`). */
import { cutSquare, USUAL_RULE } from "../faces/crop";
import { roundHalfUp } from "../faces/face";
import { findObstacle, isBlurred, type Obstacle, type Outcome } from "../faces/usable";
import { decode, type Note } from "../pixels/decode";
import { cutOut, type Crop, type Picture } from "../pixels/picture";
import { resize } from "../pixels/resample";
import { readRule, type Bundle } from "./bundle";
import type { Engine } from "./engine";
import { findOut, type Findings } from "./verdict";

export type CropKind = "face" | "whole";

export interface Place {
  box: Crop;
  crop: Crop;
  score: number;
}

export interface Judged {
  findings: Findings;
  /** What the model saw: RGB of S x S. */
  pixels: Uint8Array;
  /** null where the whole picture was judged. */
  face: Place | null;
  timings: Record<string, number>;
}

export interface Judgement {
  width: number;
  height: number;
  note: Note;
  judged: Judged[];
  unjudged: { box: Crop; obstacle: Obstacle }[];
  /** Why nothing of the picture was judged. */
  outcome: Outcome | null;
}

interface Sorted {
  usable: (Place & { pixels: Picture })[];
  unjudged: Judgement["unjudged"];
}

export async function judge(
  engine: Engine,
  bundle: Bundle,
  file: Blob,
  kind: CropKind,
): Promise<Judgement> {
  const started = performance.now();
  const { picture, note } = await decode(file);
  const decoded = performance.now();
  const { width, height } = picture;
  const facts = { width, height, note };
  if (kind === "whole") {
    const timings = { decode: decoded - started };
    const judged = [await judgeCrop(engine, bundle, picture, null, timings)];
    return { ...facts, judged, unjudged: [], outcome: null };
  }
  const { usable, unjudged } = await sortFaces(engine, bundle, picture);
  const share = Math.max(1, usable.length);
  const detect = (performance.now() - decoded) / share;
  const judged: Judged[] = [];
  for (const { pixels, ...face } of usable) {
    const timings = { decode: (decoded - started) / share, detect };
    judged.push(await judgeCrop(engine, bundle, pixels, face, timings));
  }
  const outcome = usable.length > 0 ? null : (unjudged[0]?.obstacle ?? "no_face");
  return { ...facts, judged, unjudged, outcome };
}

async function judgeCrop(
  engine: Engine,
  bundle: Bundle,
  crop: Picture,
  face: Place | null,
  before: Record<string, number>,
): Promise<Judged> {
  const size = bundle.image_size;
  const pixels = resize(crop, size, size, bundle.contract.interpolation).data;
  const started = performance.now();
  const outputs = await engine.run(pixels);
  const ran = performance.now();
  const findings = findOut(bundle, outputs);
  const timings = { ...before, inference: ran - started, post: performance.now() - ran };
  return { findings, pixels, face, timings };
}

/** The faces that can be judged with their crops, and what is wrong with the others. */
async function sortFaces(engine: Engine, bundle: Bundle, picture: Picture): Promise<Sorted> {
  const { width, height } = picture;
  const rule = readRule(bundle) ?? USUAL_RULE;
  const sorted: Sorted = { usable: [], unjudged: [] };
  for (const face of await engine.detector.find(picture)) {
    const crop = cutSquare(face, width, height, rule);
    const pixels = cutOut(picture, crop);
    const box = face.box.map(roundHalfUp) as Crop;
    let obstacle = findObstacle(face, crop, width, height, bundle.image_size);
    if (obstacle === null && isBlurred(pixels)) obstacle = "blurred";
    if (obstacle === null) sorted.usable.push({ box, crop, score: face.score, pixels });
    else sorted.unjudged.push({ box, obstacle });
    // a crop of this face: others at its edge were no matter in training either
    if (crop[0] === 0 && crop[1] === 0 && crop[2] === width && crop[3] === height) break;
  }
  return sorted;
}
