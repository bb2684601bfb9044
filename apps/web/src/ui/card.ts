/** One picture's result: the picture with its faces to choose from, and the chosen one's verdict. */
import type { Judgement } from "../model/judge";
import type { NamedPoint, Result } from "../model/report";
import { decide } from "../model/verdict";
import type { OpenModel } from "../thread";
import type { Crop } from "../pixels/picture";
import { text } from "../text";
import { byId, make, saveFile } from "./dom";
import { HeatPanel } from "./heat";
import { drawPicture } from "./picture";
import { showVerdict } from "./verdict";

export interface Setting {
  model: OpenModel;
  point: NamedPoint;
  points: readonly NamedPoint[];
}

export interface Card {
  element: HTMLElement;
  result: Result;
  /** Show the verdicts as they are at a threshold; what a screen reader is told. */
  update: (setting: Setting) => string;
  /** Let go of the picture. */
  close: () => void;
}

export function makeCard(result: Result, file: Blob, setting: Setting): Card {
  const element = make("article", { class: "card" }, make("h3", {}, result.name));
  if ("failure" in result) return closeCard(element, result, showFailure(element, result));
  const { judgement } = result;
  const address = URL.createObjectURL(file);
  const photo = make("div", { class: "photo" });
  const image = make("img", { src: address, alt: text.results.photo(result.name) });
  photo.append(image);
  const panel = make("div", { class: "panel" });
  element.append(make("div", { class: "columns" }, photo, panel));
  const close = () => URL.revokeObjectURL(address);
  for (const { box, obstacle } of judgement.unjudged) {
    const mark = make("span", { class: "face unjudged" }, text.outcomes[obstacle].short);
    photo.append(placeBox(mark, box, judgement));
  }
  if (judgement.outcome !== null) {
    const { what, remedy } = text.outcomes[judgement.outcome];
    showReason(panel, what, remedy);
    return { element, result, close, update: () => text.results.said(result.name, what) };
  }
  const faces = new Faces(photo, image, panel, result.name, judgement, setting);
  const update = (next: Setting) => faces.update(next);
  return {
    element,
    result,
    update,
    close: () => {
      faces.close();
      close();
    },
  };
}

function closeCard(element: HTMLElement, result: Result, said: string): Card {
  return { element, result, close: () => {}, update: () => said };
}

function showFailure(element: HTMLElement, result: Extract<Result, { failure: unknown }>): string {
  const { what, remedy } = text.failures[result.failure.reason];
  const sentence = what(result.failure.detail);
  showReason(element, sentence, remedy);
  return text.results.said(result.name, sentence);
}

function showReason(place: HTMLElement, what: string, remedy: string): void {
  const head = make("p", { class: "answer none" }, make("strong", {}, text.results.noVerdict));
  place.append(head, make("p", {}, `${what}. ${remedy}.`));
}

/** The faces' buttons on the picture, and the verdict of the one that is chosen. */
class Faces {
  private chosen = 0;
  private readonly buttons: HTMLElement[];
  private readonly heat: HeatPanel[];
  private readonly save = make("button", { type: "button" }, text.picture.save);

  constructor(
    photo: HTMLElement,
    private readonly image: HTMLImageElement,
    private readonly panel: HTMLElement,
    private readonly name: string,
    private readonly judgement: Judgement,
    private setting: Setting,
  ) {
    const faces = judgement.judged.filter(({ face }) => face !== null);
    this.buttons = faces.map(({ face }, place) => {
      const button = make("button", { type: "button", class: "face" }, String(place + 1));
      button.addEventListener("click", () => {
        this.chosen = place;
        this.show();
      });
      photo.append(placeBox(button, face?.box ?? [0, 0, 0, 0], judgement));
      return button;
    });
    this.heat = judgement.judged.map((judged) => new HeatPanel(setting.model, judged));
    this.save.addEventListener("click", () => this.savePicture());
  }

  update(setting: Setting): string {
    this.setting = setting;
    this.show();
    const answers = this.judgement.judged.map((_, place) => text.answers[this.answerOf(place)]);
    return text.results.said(this.name, answers.join(", "));
  }

  close(): void {
    for (const panel of this.heat) panel.cancel();
  }

  private answerOf(place: number) {
    return decide(this.judgement.judged[place].findings.llr, this.setting.point);
  }

  private show(): void {
    const { model, point, points } = this.setting;
    const { evidence, image_size: size } = model.opened.bundle;
    const judged = this.judgement.judged[this.chosen];
    const more = [this.heat[this.chosen].element, make("p", { class: "buttons" }, this.save)];
    const said = listRemarks(this.judgement);
    const verdict = showVerdict(judged, point, points, evidence.limits, size, said, more);
    const several = this.buttons.length > 1;
    const words = text.results.faces(this.buttons.length);
    const hint = several ? make("p", { class: "small" }, words) : null;
    this.panel.replaceChildren(...[hint, verdict].filter((child) => child !== null));
    this.buttons.forEach((button, place) => {
      const answer = this.answerOf(place);
      button.className = `face ${answer}`;
      button.setAttribute("aria-label", text.results.face(place + 1, text.answers[answer]));
      button.setAttribute("aria-pressed", String(place === this.chosen));
    });
  }

  private async savePicture(): Promise<void> {
    const { name, judgement, chosen, setting } = this;
    try {
      await this.image.decode();
      const date = new Date();
      const content = await drawPicture(this.image, { name, judgement, chosen, setting, date });
      saveFile(content, text.picture.name(name));
    } catch {
      byId("live").textContent = text.picture.failed;
    }
  }
}

function listRemarks({ note, unjudged }: Judgement): string[] {
  const remarks: string[] = [];
  if (note !== null) remarks.push(text.verdict.note(text.notes[note]));
  if (unjudged.length > 0) {
    const all = unjudged.map(({ obstacle }) => text.outcomes[obstacle].short).join(", ");
    remarks.push(text.results.unjudgedFaces(all));
  }
  return remarks;
}

function placeBox<E extends HTMLElement>(element: E, box: Crop, { width, height }: Judgement): E {
  const [x0, x1] = [box[0], box[2]].map((x) => Math.min(Math.max(x, 0), width) / width);
  const [y0, y1] = [box[1], box[3]].map((y) => Math.min(Math.max(y, 0), height) / height);
  Object.assign(element.style, {
    left: `${x0 * 100}%`,
    top: `${y0 * 100}%`,
    width: `${(x1 - x0) * 100}%`,
    height: `${(y1 - y0) * 100}%`,
  });
  return element;
}
