/** The thread that judges, so that the page stays awake. */
import { Detector } from "./faces/network";
import type { Bundle } from "./model/bundle";
import { Engine, type Differences, type Times } from "./model/engine";
import { judge, type CropKind, type Judgement } from "./model/judge";
import { loadParts, PACKED, Refused, type Refusal } from "./model/load";
import { weighFreely } from "./model/verdict";
import { givesTruePixels, Unreadable } from "./pixels/decode";

/** `bundle`: its place among those that the page was built with. */
export type Request =
  | { kind: "open"; bundle: number; base: string; threads: number }
  | { kind: "judge"; bundle: number; file: Blob; crop: CropKind }
  | { kind: "weigh"; bundle: number; pixels: Uint8Array; count: number }
  | { kind: "time"; bundle: number };

export interface Opened {
  folder: string;
  bundle: Bundle;
  card: string;
  engine: string;
  threads: number;
  differences: Differences;
  milliseconds: number;
}

export interface Failure {
  reason: Refusal | Unreadable["reason"] | "fault";
  detail: string;
}

export type Reply =
  | { id: number; value: Opened | Judgement | Times | number[] }
  | { id: number; failure: Failure };

interface Ready {
  engine: Engine;
  bundle: Bundle;
  /** A golden image, to time the model with. */
  sample: Uint8Array;
}

const ready = new Map<number, Ready>();
/** Begun before a bundle is loaded: with it comes the library, which takes longest. */
let detector: Promise<Detector> | undefined;

self.onmessage = async ({ data }: MessageEvent<Request & { id: number }>) => {
  let reply: Reply;
  try {
    reply = { id: data.id, value: await answer(data) };
  } catch (error) {
    reply = { id: data.id, failure: describe(error) };
  }
  self.postMessage(reply);
};

async function answer(request: Request): Promise<Opened | Judgement | Times | number[]> {
  if (request.kind === "open") return open(request);
  const found = ready.get(request.bundle);
  if (found === undefined) throw new Refused("test", "not opened");
  const { engine, bundle, sample } = found;
  if (request.kind === "judge") return judge(engine, bundle, request.file, request.crop);
  if (request.kind === "time") return engine.time(sample);
  const outputs = await engine.run(request.pixels, request.count);
  return weighFreely(bundle.evidence, outputs, bundle.classes.length);
}

async function open({ bundle: place, base, threads }: Extract<Request, { kind: "open" }>) {
  const started = performance.now();
  const packed = PACKED[place];
  detector ??= Detector.open(base, threads);
  const loading = detector;
  loading.catch(() => (detector = undefined)); // the next one to ask tries again
  const [faces, parts] = await Promise.all([loading, loadParts(base, packed), probePixels()]);
  const engine = await Engine.open(parts, faces, threads);
  const differences = await engine.test(parts.golden);
  const { bundle, card, golden } = parts;
  const sample = (golden.image.data as Uint8Array).slice(0, bundle.image_size ** 2 * 3);
  // only now: what did not pass is never asked
  ready.set(place, { engine, bundle, sample });
  const milliseconds = performance.now() - started;
  const { folder } = packed;
  return { folder, bundle, card, engine: engine.label, threads, differences, milliseconds };
}

async function probePixels(): Promise<void> {
  if (!(await givesTruePixels())) throw new Refused("pixels", "canvas");
}

function describe(error: unknown): Failure {
  if (error instanceof Refused) return { reason: error.reason, detail: error.detail };
  if (error instanceof Unreadable) return { reason: error.reason, detail: "" };
  return { reason: "fault", detail: String(error) };
}
