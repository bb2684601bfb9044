/** The judging thread as promises. */
import type { Failure, Opened, Reply, Request } from "./judge.worker";
import type { CropKind, Judgement } from "./model/judge";

export class Failed extends Error {
  constructor(readonly failure: Failure) {
    super(`${failure.reason} ${failure.detail}`);
  }
}

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };

export class JudgeThread {
  private readonly worker = new Worker(new URL("./judge.worker.ts", import.meta.url), {
    type: "module",
  });
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;

  constructor() {
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

  open(threads: number): Promise<Opened> {
    const base = new URL("./", document.baseURI).href;
    return this.ask({ kind: "open", base, threads });
  }

  judge(file: Blob, crop: CropKind): Promise<Judgement> {
    return this.ask({ kind: "judge", file, crop });
  }

  private ask<Value>(request: Request): Promise<Value> {
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id });
    });
  }
}
