/** Which file judges, and what was measured of all that could. */
import type { Trial, Way } from "../model/choice";
import { PACKED } from "../model/load";
import { text } from "../text";
import { byId, make } from "./dom";

export const nameFile = ({ bundle }: Way) => PACKED[bundle].precision;

export function showChoice(current: Way, trials: readonly Trial[], said: string): void {
  byId("choice").textContent = said;
  byId("trials").replaceChildren(...(trials.length > 0 ? [makeTable(current, trials)] : []));
}

function makeTable(current: Way, trials: readonly Trial[]): HTMLElement {
  const { caption, file, threads, judge, find } = text.choice;
  const head = [file, threads, judge, find].map((words) => make("th", { scope: "col" }, words));
  const rows = trials.map((trial) => {
    const used = trial.bundle === current.bundle && trial.threads === current.threads;
    const name = used ? text.choice.used(nameFile(trial)) : nameFile(trial);
    const cells =
      "failure" in trial
        ? [make("td", { colspan: 2 }, text.failures[trial.failure.reason].what(trial.failure.detail))]
        : [trial.times.judge, trial.times.find].map((ms) => make("td", {}, text.choice.ms(ms)));
    const first = [make("th", { scope: "row" }, name), make("td", {}, String(trial.threads))];
    return make("tr", used ? { class: "used" } : {}, ...first, ...cells);
  });
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...rows),
  );
}
