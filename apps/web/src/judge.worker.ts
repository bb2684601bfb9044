/** The thread that judges, so that the page stays awake. */
import type { Bundle } from "./model/bundle";
import { Engine, type Differences } from "./model/engine";
import { judge, type CropKind, type Judgement } from "./model/judge";
import { loadParts, Refused, type Refusal } from "./model/load";
import { givesTruePixels, Unreadable } from "./pixels/decode";

export type Request =
  | { kind: "open"; base: string; threads: number }
  | { kind: "judge"; file: Blob; crop: CropKind };

export interface Opened {
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
  | { id: number; value: Opened | Judgement }
  | { id: number; failure: Failure };

let engine: Engine | null = null;
let bundle: Bundle | null = null;

self.onmessage = async ({ data }: MessageEvent<Request & { id: number }>) => {
  let reply: Reply;
  try {
    const value = data.kind === "open" ? await open(data.base, data.threads) : await answer(data);
    reply = { id: data.id, value };
  } catch (error) {
    reply = { id: data.id, failure: describe(error) };
  }
  self.postMessage(reply);
};

async function open(base: string, threads: number): Promise<Opened> {
  const started = performance.now();
  if (!(await givesTruePixels())) throw new Refused("pixels", "canvas");
  const parts = await loadParts(base);
  const opened = await Engine.open(parts, threads);
  const differences = await opened.test(parts.golden);
  // only now: what did not pass is never asked
  engine = opened;
  bundle = parts.bundle;
  const milliseconds = performance.now() - started;
  const { card } = parts;
  return { bundle, card, engine: engine.label, threads, differences, milliseconds };
}

async function answer({ file, crop }: Extract<Request, { kind: "judge" }>): Promise<Judgement> {
  if (engine === null || bundle === null) throw new Refused("test", "not opened");
  return judge(engine, bundle, file, crop);
}

function describe(error: unknown): Failure {
  if (error instanceof Refused) return { reason: error.reason, detail: error.detail };
  if (error instanceof Unreadable) return { reason: error.reason, detail: "" };
  return { reason: "fault", detail: String(error) };
}
