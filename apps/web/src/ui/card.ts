/** One picture's result: the picture with its faces to choose from, and the chosen one's verdict. */
import type { Judgement } from "../model/judge";
import type { NamedPoint, Result } from "../model/report";
import { decide } from "../model/verdict";
import type { Opened } from "../judge.worker";
import type { Crop } from "../pixels/picture";
import { text } from "../text";
import { make } from "./dom";
import { showVerdict } from "./verdict";

export interface Setting {
  opened: Opened;
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
  photo.append(make("img", { src: address, alt: text.results.photo(result.name) }));
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
  const update = showFaces(photo, panel, result.name, judgement, setting);
  return { element, result, close, update };
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
function showFaces(
  photo: HTMLElement,
  panel: HTMLElement,
  name: string,
  judgement: Judgement,
  first: Setting,
): Card["update"] {
  let setting = first;
  let chosen = 0;
  const faces = judgement.judged.filter(({ face }) => face !== null);
  const buttons = faces.map(({ face }, place) => {
    const button = make("button", { type: "button", class: "face" }, String(place + 1));
    button.addEventListener("click", () => {
      chosen = place;
      show();
    });
    photo.append(placeBox(button, face?.box ?? [0, 0, 0, 0], judgement));
    return button;
  });
  const remarks: string[] = [];
  if (judgement.note !== null) remarks.push(text.verdict.note(text.notes[judgement.note]));
  if (judgement.unjudged.length > 0) {
    const all = judgement.unjudged.map(({ obstacle }) => text.outcomes[obstacle].short).join(", ");
    remarks.push(text.results.unjudgedFaces(all));
  }
  const answerOf = (place: number) => decide(judgement.judged[place].findings.llr, setting.point);

  function show(): string {
    const { opened, point, points } = setting;
    const { evidence, image_size: size } = opened.bundle;
    const judged = judgement.judged[chosen];
    const verdict = showVerdict(judged, point, points, evidence.limits, size, remarks);
    const several = buttons.length > 1;
    const hint = several ? make("p", { class: "small" }, text.results.faces(buttons.length)) : null;
    panel.replaceChildren(...[hint, verdict].filter((child) => child !== null));
    buttons.forEach((button, place) => {
      const answer = answerOf(place);
      button.className = `face ${answer}`;
      button.setAttribute("aria-label", text.results.face(place + 1, text.answers[answer]));
      button.setAttribute("aria-pressed", String(place === chosen));
    });
    const answers = judgement.judged.map((_, place) => text.answers[answerOf(place)]);
    return text.results.said(name, answers.join(", "));
  }

  return (next) => {
    setting = next;
    return show();
  };
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
