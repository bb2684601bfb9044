/** The bundles and the detector from where the page lies; nothing is used that has another hash. */
import { CONTRACT_VERSION, SCHEMA, type Bundle } from "./bundle";
import { readNpz, type NumberArray } from "./npz";

/** Hashes that were written into the page when it was built. */
declare const __PACKED__: Packed[];
declare const __DETECTOR_SHA256__: string;

/** One bundle of the page; the first is the one that it was built around. */
export interface Packed {
  folder: string;
  precision: string;
  sha256: string;
}

export const PACKED: readonly Packed[] = __PACKED__;
const MANIFEST = "bundle.json";
const DETECTOR = "faces/yunet.onnx";
const GOLDEN = "golden.npz";
const CARD = "MODEL_CARD.md";

export type Refusal = "insecure" | "changed" | "missing" | "schema" | "pixels" | "engine" | "test";

/** Why the page judges nothing: a key of its texts, and what exactly. */
export class Refused extends Error {
  constructor(
    readonly reason: Refusal,
    readonly detail: string,
  ) {
    super(`${reason}: ${detail}`);
  }
}

export interface Parts {
  bundle: Bundle;
  model: Uint8Array;
  golden: Record<string, NumberArray>;
  card: string;
}

export function loadDetector(base: string): Promise<Uint8Array> {
  return fetchChecked(base, DETECTOR, __DETECTOR_SHA256__);
}

/** `base`: the page's own address. */
export async function loadParts(base: string, { folder, sha256 }: Packed): Promise<Parts> {
  const fetchHere = (name: string, digest: string) => fetchChecked(base, folder + name, digest);
  const decoder = new TextDecoder();
  const bundle: Bundle = JSON.parse(decoder.decode(await fetchHere(MANIFEST, sha256)));
  if (bundle.schema !== SCHEMA || bundle.contract.version !== CONTRACT_VERSION) {
    throw new Refused("schema", `${bundle.schema}, ${bundle.contract.version}`);
  }
  const part = (name: string) => fetchHere(name, bundle.files[name].sha256);
  const [model, golden, card] = await Promise.all([
    part(bundle.model_file),
    part(GOLDEN),
    part(CARD),
  ]);
  return { bundle, model, golden: await readNpz(golden), card: decoder.decode(card) };
}

async function fetchChecked(base: string, name: string, digest: string): Promise<Uint8Array> {
  if (globalThis.crypto?.subtle === undefined) throw new Refused("insecure", base);
  let bytes: ArrayBuffer;
  try {
    const answer = await fetch(base + name);
    if (!answer.ok) throw new Error(String(answer.status));
    bytes = await answer.arrayBuffer();
  } catch (error) {
    throw new Refused("missing", `${name} (${error})`);
  }
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = [...found].map((value) => value.toString(16).padStart(2, "0")).join("");
  if (hex !== digest) throw new Refused("changed", name);
  return new Uint8Array(bytes);
}
