/** The page: pictures come in, cards come out. */
import { chooseFastest, type Trial, type Way } from "./model/choice";
import type { CropKind } from "./model/judge";
import { describeResults, type Result } from "./model/report";
import { describeFailure, type OpenModel } from "./thread";
import { text } from "./text";
import { takePicture } from "./ui/camera";
import { makeCard, type Card, type Setting } from "./ui/card";
import { nameFile, showChoice } from "./ui/choice";
import { byId, saveFile } from "./ui/dom";
import { listPoints, showOpened } from "./ui/page";
import { ThresholdSlider } from "./ui/slider";
import { keepOnly, measureWays, open, type Start } from "./ways";

/** Who opens the page with a picture at hand gets the whole machine for it. */
const QUIET_MS = 1500;

export class Page {
  private readonly cards: Card[] = [];
  private readonly slider = new ThresholdSlider(() => this.choosePoint());
  private model: OpenModel;
  /** What judges once there are no results of another file. */
  private next: OpenModel | null = null;
  private trials: Trial[];
  private measuring = false;
  /** Pictures that came and have no card yet. */
  private coming = 0;
  private pasted = 0;
  private queue = Promise.resolve();

  constructor(private readonly start: Start) {
    this.model = start.model;
    this.trials = start.trials;
    this.use(start.model);
    // as `verify`: what the bundle says of its training images
    this.kind.value = start.model.opened.bundle.contract.crop ?? "whole";
    this.listen();
    byId<HTMLFieldSetElement>("controls").disabled = false;
  }

  /** Measures which file is fastest here, unless that is known or the address asks for one. */
  async settle(): Promise<void> {
    if (this.start.asked || chooseFastest(this.trials) !== null) return;
    byId<HTMLButtonElement>("measure").disabled = true;
    await new Promise((end) => setTimeout(end, QUIET_MS));
    await this.queue;
    await this.measure();
  }

  private get kind(): HTMLSelectElement {
    return byId<HTMLSelectElement>("kind");
  }

  private get way(): Way {
    return { bundle: this.model.bundle, threads: this.model.opened.threads };
  }

  private get setting(): Setting {
    const { point, points } = this.slider;
    return { model: this.model, point, points };
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
    byId("measure").addEventListener("click", () => this.measure());
  }

  /** Pictures are judged one after the other, in the order in which they came. */
  private add(files: readonly File[]): void {
    const kind = this.kind.value as CropKind;
    this.coming += files.length;
    for (const file of files) this.queue = this.queue.then(() => this.judge(file, kind));
  }

  private async judge(file: File, kind: CropKind): Promise<void> {
    byId("live").textContent = text.results.working(file.name);
    const result = await this.ask(file, kind);
    const card = makeCard(result, file, this.setting);
    this.cards.push(card);
    this.coming -= 1;
    byId("cards").append(card.element);
    byId("live").textContent = card.update(this.setting);
    this.showTools();
  }

  private async ask(file: File, kind: CropKind): Promise<Result> {
    try {
      return { name: file.name, kind, judgement: await this.model.judge(file, kind) };
    } catch (error) {
      return { name: file.name, kind, failure: describeFailure(error) };
    }
  }

  private choosePoint(): void {
    const said = this.cards.map((card) => card.update(this.setting));
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
    const data = describeResults(this.model.opened, this.slider.point, results);
    const json = new Blob([JSON.stringify(data, null, 2)], { type: "application/json" });
    saveFile(json, text.results.file);
  }

  private clear(): void {
    for (const card of this.cards.splice(0)) {
      card.close();
      card.element.remove();
    }
    if (this.next !== null && this.coming === 0) this.use(this.next);
    this.showTools();
    byId("live").textContent = text.results.none;
    byId("files").focus();
  }

  private showTools(): void {
    byId("tools").hidden = this.cards.length === 0;
    byId("empty").hidden = this.cards.length > 0;
  }

  /** Pictures come first: one that comes meanwhile ends it, and the next start tries again. */
  private async measure(): Promise<void> {
    if (this.measuring) return;
    this.measuring = true;
    this.next = null;
    byId<HTMLButtonElement>("measure").disabled = true;
    byId("choice").textContent = text.choice.measuring;
    // what fails while it is timed leaves all as it was
    const trials = await measureWays(() => this.coming > 0).catch(() => null);
    const best = chooseFastest(trials ?? []);
    if (trials !== null) this.trials = trials;
    if (best !== null) await this.take(best);
    else this.leave();
    this.measuring = false;
    byId<HTMLButtonElement>("measure").disabled = false;
  }

  private leave(): void {
    keepOnly(this.way);
    this.showChoice(text.choice.left);
  }

  private async take(way: Way): Promise<void> {
    const model = await open(way);
    // verdicts of two files do not go into one list
    if (this.cards.length + this.coming === 0) this.use(model);
    else {
      this.next = model;
      this.showChoice(text.choice.later(nameFile(way), way.threads));
    }
  }

  private use(model: OpenModel): void {
    this.model = model;
    this.next = null;
    keepOnly(this.way);
    this.slider.set(listPoints(model.opened));
    showOpened(model.opened);
    this.showChoice("");
  }

  /** `said`: what there is to say beside the file that judges. */
  private showChoice(said: string): void {
    const { bundle, threads } = this.way;
    const measured = chooseFastest(this.trials);
    const fastest = measured?.bundle === bundle && measured.threads === threads;
    const failed = this.trials.filter((trial) => "failure" in trial).map(nameFile);
    const words = [text.choice.usedHere(nameFile(this.way), threads, fastest), said];
    if (failed.length > 0) words.push(text.choice.failed([...new Set(failed)]));
    showChoice(this.way, this.trials, words.filter((part) => part !== "").join(" "));
  }
}
