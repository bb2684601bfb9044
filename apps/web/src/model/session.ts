/** ONNX Runtime's WASM, started the same way for every network. */
import * as ort from "onnxruntime-web/wasm";
import { Refused } from "./load";

export const LABEL = `onnxruntime-web ${ort.env.versions.web} WASM`;

/** `threads` counts for the first network of a worker: the library asks for it only once. */
export async function startSession(
  model: Uint8Array,
  threads: number,
): Promise<ort.InferenceSession> {
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  try {
    return await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  } catch (error) {
    throw new Refused("engine", String(error));
  }
}

export function makeTensor(pixels: Uint8Array, shape: readonly number[]): ort.Tensor {
  return new ort.Tensor("uint8", pixels, shape);
}
