/** The face detector in ONNX Runtime's WASM; one for all bundles. */
import type { InferenceSession } from "onnxruntime-web/wasm";
import { loadDetector } from "../model/load";
import { makeTensor, startSession } from "../model/session";
import type { Picture } from "../pixels/picture";
import { fitIntoSquare, INPUT_SIZE, readFaces } from "./detect";
import type { FaceBox } from "./face";

export class Detector {
  private constructor(private readonly session: InferenceSession) {}

  /** `base`: the page's own address. */
  static async open(base: string, threads: number): Promise<Detector> {
    return new Detector(await startSession(await loadDetector(base), threads));
  }

  async find(picture: Picture): Promise<FaceBox[]> {
    const square = fitIntoSquare(picture);
    const image = makeTensor(square.pixels, [1, INPUT_SIZE, INPUT_SIZE, 3]);
    const found = await this.session.run({ image });
    const read = (name: string) => found[name].data as Float32Array;
    const answers = { boxes: read("boxes"), points: read("points"), scores: read("scores") };
    return readFaces(answers, square);
  }
}
