/**
 * Runs a model in ONNX Runtime's WASM, for tools/web_rounding.py:
 *   node tests/run_model.mjs MODEL PIXELS SIDE OUT
 * PIXELS: RGB bytes of SIDE x SIDE, one image after the other. OUT: a JSON object per line and image,
 * output name -> base64 of its bytes.
 */
import { appendFileSync, readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const [model, pixels, sideText, out] = process.argv.slice(2);
const side = Number(sideText);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)), {
  executionProviders: ["wasm"],
});
const all = new Uint8Array(readFileSync(pixels));
const bytes = side * side * 3;
for (let from = 0; from < all.length; from += bytes) {
  const image = new ort.Tensor("uint8", all.slice(from, from + bytes), [1, side, side, 3]);
  const answer = await session.run({ [session.inputNames[0]]: image });
  const encoded = Object.entries(answer).map(([name, { data }]) => {
    return [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")];
  });
  appendFileSync(out, `${JSON.stringify(Object.fromEntries(encoded))}\n`);
}
