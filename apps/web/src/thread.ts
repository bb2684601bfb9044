/** The judging thread as promises. */
import type { Failure, Opened, Reply, Request } from "./judge.worker";
import type { Times } from "./model/engine";
import type { CropKind, Judgement } from "./model/judge";

export class Failed extends Error {
  constructor(readonly failure: Failure) {
    super(`${failure.reason} ${failure.detail}`);
  }
}

/** Whatever was thrown, in the words that the page has texts for. */
export function describeFailure(error: unknown): Failure {
  return error instanceof Failed ? error.failure : { reason: "fault", detail: String(error) };
}

/** One bundle, open in one thread: it has passed its self-test there. */
export class OpenModel {
  constructor(
    readonly opened: Opened,
    /** Its place among the page's bundles. */
    readonly bundle: number,
    private readonly thread: JudgeThread,
  ) {}

  judge(file: Blob, crop: CropKind): Promise<Judgement> {
    return this.thread.ask({ kind: "judge", bundle: this.bundle, file, crop });
  }

  /** LLRs of `count` squares of RGB bytes, beyond the bundle's limits too. */
  weigh(pixels: Uint8Array, count: number): Promise<number[]> {
    return this.thread.ask({ kind: "weigh", bundle: this.bundle, pixels, count });
  }

  time(): Promise<Times> {
    return this.thread.ask({ kind: "time", bundle: this.bundle });
  }
}

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };

/** The number of threads inside is settled with the first bundle that it opens. */
export class JudgeThread {
  private readonly worker = new Worker(new URL("./judge.worker.ts", import.meta.url), {
    type: "module",
  });
  private readonly waiting = new Map<number, Waiting>();
  private readonly models = new Map<number, Promise<OpenModel>>();
  private next = 0;

  constructor(readonly threads: number) {
    this.worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("failure" in data) waiting?.reject(new Failed(data.failure));
      else waiting?.resolve(data.value as never);
    };
    this.worker.onerror = (event) => {
      const failed = new Failed({ reason: "fault", detail: event.message || "worker" });
      for (const { reject } of this.waiting.values()) reject(failed);
      this.waiting.clear();
    };
  }

  open(bundle: number): Promise<OpenModel> {
    const known = this.models.get(bundle);
    if (known !== undefined) return known;
    const base = new URL("./", document.baseURI).href;
    const asked = this.ask<Opened>({ kind: "open", bundle, base, threads: this.threads });
    const model = asked.then((opened) => new OpenModel(opened, bundle, this));
    this.models.set(bundle, model);
    return model;
  }

  close(): void {
    this.worker.terminate();
  }

  ask<Value>(request: Request): Promise<Value> {
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id });
    });
  }
}
