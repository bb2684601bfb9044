/** One face's verdict at a threshold: the answer, the evidence, what made it, the gaze. */
import type { Judged } from "../model/judge";
import type { NamedPoint } from "../model/report";
import { decide, shareAmongForgeries, type Findings } from "../model/verdict";
import { text } from "../text";
import { draw, make } from "./dom";
import { paintCrop } from "./pixels";

const SYMBOLS = { real: "✓", fake: "✕", inconclusive: "?" };
const LEAST_SHARE = 0.005; // smaller bars cannot be seen

export function showVerdict(
  judged: Judged,
  point: NamedPoint,
  points: readonly NamedPoint[],
  limits: readonly [number, number],
  size: number,
  remarks: readonly string[],
  more: readonly HTMLElement[],
): HTMLElement {
  const { findings } = judged;
  const answer = decide(findings.llr, point);
  const head = make("p", { class: `answer ${answer}` });
  const symbol = make("span", { "aria-hidden": "true", class: "symbol" }, SYMBOLS[answer]);
  const llr = make("span", { class: "llr" }, `${text.verdict.llr} ${text.signed(findings.llr)}`);
  head.append(symbol, make("strong", {}, text.answers[answer]), llr);
  const lines = remarks.map((line) => make("p", { class: "small" }, line));
  return make(
    "div",
    { class: "verdict" },
    head,
    make("p", {}, text.sayEvidence(findings.llr, findings.strength)),
    drawScale(findings.llr, point, limits),
    showOtherPoints(findings, point, points),
    answer === "real" ? null : showMakers(findings),
    showCrop(judged, size),
    ...more,
    ...lines,
    make("p", { class: "small" }, text.verdict.latency(judged.timings)),
  );
}

/** The LLR between its limits, the three answers as fields. */
function drawScale(llr: number, point: NamedPoint, [low, high]: readonly [number, number]) {
  const least = Math.min(low, point.real_below, llr);
  const most = Math.max(high, point.fake_from, llr);
  const place = (value: number) => ((value - least) / (most - least || 1)) * 100;
  const label = text.verdict.scale(llr, point.real_below, point.fake_from);
  const field = (from: number, to: number, kind: string) =>
    draw("rect", { x: from, width: Math.max(0, to - from), y: 6, height: 8, class: kind });
  const below = place(point.real_below);
  const from = place(point.fake_from);
  const at = place(llr);
  return draw(
    "svg",
    { class: "scale", viewBox: "-2 0 104 20", role: "img", "aria-label": label },
    field(0, below, "real"),
    field(below, from, "inconclusive"),
    field(from, 100, "fake"),
    draw("path", { d: `M ${at} 15 l -2.2 4.5 h 4.4 z M ${at - 0.4} 3 h 0.8 v 13 h -0.8 z`, class: "mark" }),
  );
}

function showOtherPoints(findings: Findings, point: NamedPoint, points: readonly NamedPoint[]) {
  const others = points.filter(({ name }) => name !== point.name);
  if (others.length === 0) return null;
  const said = others.map((other) => {
    const stop = text.threshold.stop(other.name, other.target_fpr);
    return `${stop}: ${text.answers[decide(findings.llr, other)].toLowerCase()}`;
  });
  return make("p", { class: "small" }, `${text.verdict.elsewhere} (${said.join("; ")})`);
}

function showMakers(findings: Findings): HTMLElement {
  const shares = shareAmongForgeries(findings.attribution);
  const list = make("ul", { class: "bars" });
  for (const [place, { title, p }] of shares.entries()) {
    if (place > 0 && p < LEAST_SHARE) break;
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", `${p * 100}%`);
    list.append(
      make("li", {}, make("span", {}, title), bar, make("span", { class: "share" }, text.percent(p))),
    );
  }
  return make("div", {}, make("h4", {}, text.verdict.madeBy), list);
}

/** The pixels that the model saw, and on them an arrow for its gaze, if it tells any. */
function showCrop({ pixels, findings }: Judged, size: number): HTMLElement {
  const canvas = paintCrop(pixels, size);
  canvas.setAttribute("aria-hidden", "true");
  if (findings.gaze === null) {
    const square = make("div", { class: "square" }, canvas);
    return make("figure", { class: "crop" }, square, make("figcaption", { class: "small" }, text.verdict.seenAlone));
  }
  const { pitch, yaw } = findings.gaze;
  // the unit vector of docs/architecture.md, its x to the right and its y down
  const x = 50 - Math.cos(pitch) * Math.sin(yaw) * 45;
  const y = 50 - Math.sin(pitch) * 45;
  const line = `M 50 50 L ${x} ${y}`;
  const arrow = draw(
    "svg",
    { viewBox: "0 0 100 100", "aria-hidden": "true" },
    draw("path", { d: line, class: "halo" }),
    draw("path", { d: line, class: "gaze" }),
    draw("circle", { cx: x, cy: y, r: 3.5, class: "tip" }),
  );
  return make(
    "figure",
    { class: "crop" },
    make("div", { class: "square" }, canvas, arrow),
    make("figcaption", { class: "small" }, text.verdict.seen, make("br"), text.sayGaze(pitch, yaw)),
  );
}
