/** On request: what in a face the model reacts to. */
import type { Judged } from "../model/judge";
import { findPeak, occlude, type HeatMap } from "../model/occlusion";
import type { OpenModel } from "../thread";
import { text } from "../text";
import { byId, make } from "./dom";
import { paintHeat } from "./pixels";

/** Less than this is what any cover does. */
const LEAST_CHANGE = 0.1;

/** Made once for each face, so that it stays while thresholds change. */
export class HeatPanel {
  private readonly button = make("button", { type: "button" }, text.heat.show);
  private readonly bar = make("progress", { max: 1, value: 0, "aria-label": text.heat.progress });
  private readonly place = make("div");
  readonly element = make("div", { class: "heat" }, this.button, this.bar, this.place);
  private running: AbortController | null = null;
  private map: HeatMap | null = null;

  constructor(
    private readonly model: OpenModel,
    private readonly judged: Judged,
  ) {
    this.button.addEventListener("click", () => this.press());
    this.bar.hidden = true;
    this.place.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  /** One button for all of it, so that the keyboard's focus never gets lost. */
  private press(): void {
    if (this.running !== null) this.cancel();
    else if (this.map === null) void this.compute();
    else this.reveal(this.place.hidden);
  }

  cancel(): void {
    this.running?.abort();
  }

  private async compute(): Promise<void> {
    const running = new AbortController();
    this.running = running;
    this.button.textContent = text.heat.cancel;
    this.bar.value = 0;
    this.bar.hidden = false;
    this.say(text.heat.working);
    const { size } = this;
    const weigh = (pixels: Uint8Array, count: number) => this.model.weigh(pixels, count);
    const progress = (share: number) => (this.bar.value = share);
    try {
      this.map = await occlude(weigh, this.judged.pixels, size, running.signal, progress);
      this.place.replaceChildren(this.draw(this.map));
    } catch {
      this.say(running.signal.aborted ? text.heat.cancelled : text.heat.failed);
    }
    this.running = null;
    this.bar.hidden = true;
    this.reveal(this.map !== null);
    if (this.map !== null) this.say(this.describe(this.map));
  }

  private get size(): number {
    return this.model.opened.bundle.image_size;
  }

  private reveal(shown: boolean): void {
    this.place.hidden = !shown;
    this.button.textContent = shown ? text.heat.hide : text.heat.show;
    this.button.setAttribute("aria-expanded", String(shown));
  }

  private say(words: string): void {
    byId("live").textContent = words;
  }

  private describe(map: HeatMap): string {
    const { x, y, value } = findPeak(map);
    if (Math.abs(value) < LEAST_CHANGE) return text.heat.nothing;
    return text.heat.peak(text.heat.region(x, y), value);
  }

  private draw(map: HeatMap): HTMLElement {
    const said = this.describe(map);
    const canvas = paintHeat(this.judged.pixels, map);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", text.heat.label);
    const swatch = (kind: string, words: string) =>
      make("li", {}, make("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), words);
    const legend = make(
      "ul",
      { class: "legend" },
      swatch("forged", text.heat.forged),
      swatch("genuine", text.heat.genuine),
    );
    const words = [said, text.heat.meaning].map((line) => make("p", {}, line));
    return make("figure", {}, canvas, make("figcaption", { class: "small" }, legend, ...words));
  }
}
