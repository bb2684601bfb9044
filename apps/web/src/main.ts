/** The page: pictures come in, cards come out. */
import { describeResults, type NamedPoint, type Result } from "./model/report";
import type { CropKind } from "./model/judge";
import type { Opened } from "./judge.worker";
import { stayOffline } from "./offline";
import { Failed, JudgeThread } from "./thread";
import { text } from "./text";
import { takePicture } from "./ui/camera";
import { makeCard, type Card } from "./ui/card";
import { byId, make } from "./ui/dom";
import { listPoints, setSlider, setTexts, showOpened, showRefusal } from "./ui/page";
import "./style.css";

const MOST_THREADS = 4;

class Page {
  private readonly cards: Card[] = [];
  private readonly points: NamedPoint[];
  private point: NamedPoint;
  private pasted = 0;
  private queue = Promise.resolve();

  constructor(
    private readonly thread: JudgeThread,
    private readonly opened: Opened,
  ) {
    this.points = listPoints(opened);
    this.point = setSlider(this.points, (point) => this.choosePoint(point));
    // as `verify`: what the bundle says of its training images
    this.kind.value = opened.bundle.contract.crop ?? "whole";
    this.listen();
    byId<HTMLFieldSetElement>("controls").disabled = false;
  }

  private get kind(): HTMLSelectElement {
    return byId<HTMLSelectElement>("kind");
  }

  private listen(): void {
    const files = byId<HTMLInputElement>("files");
    files.addEventListener("change", () => {
      this.add([...(files.files ?? [])]);
      files.value = "";
    });
    const zone = byId("drop");
    for (const name of ["dragover", "dragleave", "drop"] as const) {
      document.addEventListener(name, (event) => {
        event.preventDefault();
        zone.classList.toggle("over", name === "dragover");
        if (name === "drop") this.add([...(event.dataTransfer?.files ?? [])]);
      });
    }
    document.addEventListener("paste", (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])];
      this.add(pasted.map((file) => new File([file], text.pasted(++this.pasted))));
    });
    byId("camera-open").addEventListener("click", () => this.photograph());
    byId("save").addEventListener("click", () => this.save());
    byId("clear").addEventListener("click", () => this.clear());
  }

  /** Pictures are judged one after the other, in the order in which they came. */
  private add(files: readonly File[]): void {
    const kind = this.kind.value as CropKind;
    for (const file of files) this.queue = this.queue.then(() => this.judge(file, kind));
  }

  private async judge(file: File, kind: CropKind): Promise<void> {
    byId("live").textContent = text.results.working(file.name);
    const result = await this.ask(file, kind);
    const setting = { opened: this.opened, point: this.point, points: this.points };
    const card = makeCard(result, file, setting);
    this.cards.push(card);
    byId("cards").append(card.element);
    byId("live").textContent = card.update(setting);
    this.showTools();
  }

  private async ask(file: File, kind: CropKind): Promise<Result> {
    try {
      return { name: file.name, kind, judgement: await this.thread.judge(file, kind) };
    } catch (error) {
      const known = error instanceof Failed;
      const failure = known ? error.failure : { reason: "fault" as const, detail: String(error) };
      return { name: file.name, kind, failure };
    }
  }

  private choosePoint(point: NamedPoint): void {
    this.point = point;
    const said = this.cards.map((card) =>
      card.update({ opened: this.opened, point, points: this.points }),
    );
    byId("live").textContent = said.join(". ");
  }

  private async photograph(): Promise<void> {
    try {
      const picture = await takePicture();
      if (picture !== null) this.add([picture]);
    } catch {
      byId("live").textContent = text.camera.none;
    }
  }

  private save(): void {
    const results = this.cards.map((card) => card.result);
    const data = describeResults(this.opened, this.point, results);
    const json = new Blob([JSON.stringify(data, null, 2)], { type: "application/json" });
    const address = URL.createObjectURL(json);
    make("a", { href: address, download: text.results.file }).click();
    URL.revokeObjectURL(address);
  }

  private clear(): void {
    for (const card of this.cards.splice(0)) {
      card.close();
      card.element.remove();
    }
    this.showTools();
    byId("live").textContent = text.results.none;
    byId("files").focus();
  }

  private showTools(): void {
    byId("tools").hidden = this.cards.length === 0;
    byId("empty").hidden = this.cards.length > 0;
  }
}

function countThreads(): number {
  const asked = Number(new URLSearchParams(location.search).get("threads"));
  // without isolation there is no shared memory
  if (!self.crossOriginIsolated) return 1;
  return Math.min(MOST_THREADS, asked || navigator.hardwareConcurrency || 1);
}

async function start(): Promise<void> {
  setTexts();
  byId("state").textContent = text.state.loading;
  const thread = new JudgeThread();
  try {
    const opened = await thread.open(countThreads());
    showOpened(opened);
    new Page(thread, opened);
  } catch (error) {
    showRefusal(error instanceof Failed ? error.failure : { reason: "fault", detail: String(error) });
    return;
  }
  await stayOffline();
}

void start();
