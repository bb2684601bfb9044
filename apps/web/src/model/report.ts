/** What the page saves: the object that `gazeclip verify --json` prints (schema 2). */
import { text } from "../text";
import type { Failure, Opened } from "../judge.worker";
import type { PointEntry } from "./bundle";
import type { CropKind, Judged, Judgement } from "./judge";
import { decide, isReliable, shareAmongForgeries, sigmoid } from "./verdict";

const SCHEMA = 2;
const PRIOR = 0.5; // at which probabilities are given

export interface NamedPoint extends PointEntry {
  name: string;
}

/** One picture: what was found in it, or why it could not be read. */
export type Result = { name: string; kind: CropKind } & (
  | { judgement: Judgement }
  | { failure: Failure }
);

type Row = Record<string, unknown>;

export function describeResults(
  opened: Opened,
  point: NamedPoint,
  results: readonly Result[],
): Row {
  const crop = results.some(({ kind }) => kind === "face") ? "face" : "whole";
  const { bundle } = opened;
  const { name, ...entry } = point;
  const rows = results.flatMap((result) => describeResult(opened, point, result));
  const count = (key: string, value: string) => rows.filter((row) => row[key] === value).length;
  const summary: Record<string, number> = {
    real: count("verdict", "real"),
    fake: count("verdict", "fake"),
    inconclusive: count("verdict", "inconclusive"),
    error: rows.filter((row) => "error" in row).length,
  };
  if (crop === "face") summary.no_usable_face = rows.filter((row) => "outcome" in row).length;
  return {
    schema: SCHEMA,
    bundle: {
      folder: opened.folder,
      target: bundle.target,
      precision: bundle.precision,
      digest: bundle.digest,
    },
    engine: opened.engine,
    threads: opened.threads,
    crop,
    operating_point: { name, ...entry, reliable: isReliable(point) },
    results: rows,
    summary,
  };
}

function describeResult(opened: Opened, point: NamedPoint, result: Result): Row[] {
  const source = result.name;
  if ("failure" in result) {
    const { reason, detail } = result.failure;
    const { what, remedy } = text.failures[reason];
    return [{ source, verdict: null, error: what(detail), remedy }];
  }
  const { outcome, judged, unjudged, note } = result.judgement;
  if (outcome !== null) {
    const { what, remedy } = text.outcomes[outcome];
    return [{ source, verdict: null, outcome, reason: what, remedy }];
  }
  return judged.map((one, place) => {
    const row = describeVerdict(opened, point, one);
    const head = { source, frame: 1, frames: 1, note: note && text.notes[note] };
    if (one.face === null) return { ...head, ...row };
    const { box, crop, score } = one.face;
    const unjudged_faces = unjudged.map(({ obstacle }) => obstacle);
    return { ...head, ...row, face: place + 1, box, crop, face_score: score, unjudged_faces };
  });
}

function describeVerdict(opened: Opened, point: NamedPoint, { findings, timings }: Judged): Row {
  const { llr, strength, attribution, gaze } = findings;
  const verdict = decide(llr, point);
  const logOdds = Math.log(PRIOR) - Math.log1p(-PRIOR);
  return {
    verdict,
    llr,
    strength,
    fake_probability: sigmoid(llr + logOdds),
    prior: PRIOR,
    fake_from: point.fake_from,
    real_below: point.real_below,
    operating_point: point.name,
    generator: verdict === "real" ? null : shareAmongForgeries(attribution)[0],
    attribution,
    gaze,
    engine: opened.engine,
    precision: opened.bundle.precision,
    timings_ms: Object.fromEntries(
      Object.entries(timings).map(([stage, ms]) => [stage, Number(ms.toFixed(4))]),
    ),
  };
}
