/** The networks in ONNX Runtime's WASM: the self-test, faces of a picture, outputs of a crop. */
import * as ort from "onnxruntime-web/wasm";
import { fitIntoSquare, INPUT_SIZE, readFaces } from "../faces/detect";
import type { FaceBox } from "../faces/face";
import type { Picture } from "../pixels/picture";
import { OUTPUTS, type Bundle, type OutputName } from "./bundle";
import { Refused, type Parts } from "./load";
import type { Outputs } from "./verdict";

export type Differences = Record<OutputName, number>;

/** Milliseconds of one face, and of one search for faces. */
export interface Times {
  judge: number;
  find: number;
}

export class Engine {
  readonly label = `onnxruntime-web ${ort.env.versions.web} WASM`;

  private constructor(
    private readonly bundle: Bundle,
    private readonly student: ort.InferenceSession,
    private readonly detector: ort.InferenceSession,
  ) {}

  /** `threads` counts for the first engine of a page: the library asks for it only once. */
  static async open(parts: Parts, threads: number): Promise<Engine> {
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    const start = (model: Uint8Array) =>
      ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    try {
      // one after the other: both would compile the library at once
      const student = await start(parts.model);
      return new Engine(parts.bundle, student, await start(parts.detector));
    } catch (error) {
      throw new Refused("engine", String(error));
    }
  }

  /** The largest differences from what the bundle says of its golden images; refuses if too large. */
  async test(golden: Parts["golden"]): Promise<Differences> {
    const { data, shape } = golden.image;
    const outputs = await this.run(data as Uint8Array, shape[0]);
    const differences = {} as Differences;
    const faults: string[] = [];
    for (const name of OUTPUTS) {
      const wanted = golden[name].data;
      const apart = outputs[name].map((value, place) => Math.abs(value - wanted[place]));
      // not `Math.max`: it would let NaN through where it is compared
      differences[name] = apart.reduce((most, value) => (value <= most ? most : value), 0);
      const allowed = this.bundle.golden.tolerance[name];
      const whole = outputs[name].length === wanted.length;
      if (whole && differences[name] <= allowed) continue;
      faults.push(`${name} ${differences[name].toPrecision(3)} > ${allowed}`);
    }
    if (faults.length > 0) throw new Refused("test", faults.join(", "));
    return differences;
  }

  async findFaces(picture: Picture): Promise<FaceBox[]> {
    const square = fitIntoSquare(picture);
    const shape = [1, INPUT_SIZE, INPUT_SIZE, 3];
    const found = await this.detector.run({ image: new ort.Tensor("uint8", square.pixels, shape) });
    const read = (name: string) => found[name].data as Float32Array;
    const answers = { boxes: read("boxes"), points: read("points"), scores: read("scores") };
    return readFaces(answers, square);
  }

  /** What one face and one search for faces take; a search takes as long on an empty picture. */
  async time(sample: Uint8Array): Promise<Times> {
    const started = performance.now();
    await this.run(sample);
    const judged = performance.now();
    const [width, height] = [INPUT_SIZE, INPUT_SIZE];
    await this.findFaces({ data: new Uint8Array(width * height * 3), width, height });
    return { judge: judged - started, find: performance.now() - judged };
  }

  /** Outputs of `count` squares in one array of RGB bytes, one after the other. */
  async run(pixels: Uint8Array, count = 1): Promise<Outputs> {
    const { io, image_size: size } = this.bundle;
    const input = new ort.Tensor("uint8", pixels, [count, size, size, 3]);
    const answer = await this.student.run({ [io.image]: input });
    const read = (name: OutputName) => [...(answer[io[name]].data as Float32Array)];
    const outputs = Object.fromEntries(OUTPUTS.map((name) => [name, read(name)])) as Outputs;
    if (!OUTPUTS.every((name) => outputs[name].every(Number.isFinite))) {
      throw new Refused("engine", "NaN");
    }
    return outputs;
  }
}
