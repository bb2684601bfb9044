/** The page around the results: what does not change while pictures are judged. */
import type { Failure, Opened } from "../judge.worker";
import type { NamedPoint } from "../model/report";
import { OUTPUTS } from "../model/bundle";
import { text } from "../text";
import { byId, make } from "./dom";

/** Words into the elements that index.html names. */
export function setTexts(): void {
  document.title = text.title;
  const texts: Record<string, string> = {
    title: text.title,
    promise: text.promise,
    "choose-heading": text.choose.heading,
    "drop-text": text.choose.drop,
    "files-label": text.choose.files,
    "camera-open": text.choose.camera,
    "kind-label": text.choose.kind,
    "kind-face": text.choose.face,
    "kind-whole": text.choose.whole,
    "threshold-heading": text.threshold.heading,
    "threshold-label": text.threshold.label,
    "results-heading": text.results.heading,
    save: text.results.save,
    clear: text.results.clear,
    empty: text.results.none,
    "meaning-heading": text.meaning.heading,
    "card-heading": text.card.heading,
    "about-heading": text.about.heading,
    measure: text.choice.again,
    "camera-heading": text.camera.heading,
    "camera-take": text.camera.take,
    "camera-cancel": text.camera.cancel,
    "update-text": text.update.said,
    "update-load": text.update.load,
  };
  for (const [id, words] of Object.entries(texts)) byId(id).textContent = words;
  byId("meaning").append(...text.meaning.points.map((point) => make("li", {}, point)));
}

export function showRefusal({ reason, detail }: Failure): void {
  const { what, remedy } = text.failures[reason];
  const state = byId("state");
  state.className = "state refused";
  state.setAttribute("role", "alert");
  state.textContent = `${text.state.refused} ${what(detail)}. ${remedy}.`;
}

export function showOpened(opened: Opened): void {
  const { bundle, differences } = opened;
  byId("state").textContent = text.state.ready(bundle.golden.n, opened.milliseconds);
  byId("state").className = "state ready";
  byId("model-card").textContent = opened.card;
  const tests = OUTPUTS.map((name) => {
    const found = differences[name].toPrecision(2);
    return `${name} ${text.about.allowed(found, bundle.golden.tolerance[name])}`;
  });
  const facts = [
    [text.about.engine, opened.engine],
    [text.about.threads, String(opened.threads)],
    [text.about.model, `${bundle.model_file}, ${bundle.precision}`],
    [text.about.digest, bundle.digest],
    [text.about.test, tests.join("; ")],
  ];
  const entries = facts.flatMap(([term, fact]) => [make("dt", {}, term), make("dd", {}, fact)]);
  byId("about").replaceChildren(...entries);
}

/** Operating points, the one that alarms least often last. */
export function listPoints({ bundle }: Opened): NamedPoint[] {
  const points = Object.entries(bundle.thresholds).map(([name, entry]) => ({ name, ...entry }));
  return points.sort((one, other) => one.fake_from - other.fake_from);
}
