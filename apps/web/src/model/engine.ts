/** A bundle's network in ONNX Runtime's WASM: the self-test, outputs of a crop. */
import type * as ort from "onnxruntime-web/wasm";
import { INPUT_SIZE } from "../faces/detect";
import type { Detector } from "../faces/network";
import { OUTPUTS, type Bundle, type OutputName } from "./bundle";
import { Refused, type Parts } from "./load";
import { LABEL, makeTensor, startSession } from "./session";
import type { Outputs } from "./verdict";

export type Differences = Record<OutputName, number>;

/** Milliseconds of one face, and of one search for faces. */
export interface Times {
  judge: number;
  find: number;
}

export class Engine {
  readonly label = LABEL;

  private constructor(
    private readonly bundle: Bundle,
    private readonly student: ort.InferenceSession,
    readonly detector: Detector,
  ) {}

  static async open(parts: Parts, detector: Detector, threads: number): Promise<Engine> {
    return new Engine(parts.bundle, await startSession(parts.model, threads), detector);
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

  /** What one face and one search for faces take; a search takes as long on an empty picture. */
  async time(sample: Uint8Array): Promise<Times> {
    const started = performance.now();
    await this.run(sample);
    const judged = performance.now();
    const [width, height] = [INPUT_SIZE, INPUT_SIZE];
    await this.detector.find({ data: new Uint8Array(width * height * 3), width, height });
    return { judge: judged - started, find: performance.now() - judged };
  }

  /** Outputs of `count` squares in one array of RGB bytes, one after the other. */
  async run(pixels: Uint8Array, count = 1): Promise<Outputs> {
    const { io, image_size: size } = this.bundle;
    const input = makeTensor(pixels, [count, size, size, 3]);
    const answer = await this.student.run({ [io.image]: input });
    const read = (name: OutputName) => [...(answer[io[name]].data as Float32Array)];
    const outputs = Object.fromEntries(OUTPUTS.map((name) => [name, read(name)])) as Outputs;
    if (!OUTPUTS.every((name) => outputs[name].every(Number.isFinite))) {
      throw new Refused("engine", "NaN");
    }
    return outputs;
  }
}
