/** A result as a picture: the photograph with its boxes, and under it what was found. */
import type { Judged, Judgement } from "../model/judge";
import { decide, shareAmongForgeries, type Answer } from "../model/verdict";
import { text } from "../text";
import type { Setting } from "./card";

const WIDTH = 1000;
const MOST_HEIGHT = 1000; // of the photograph
const MARGIN = 40;
const LINE = 30;
const BIG = 52;
const FONT = "system-ui, sans-serif";
const PAPER = "#ffffff";
const INK = "#1b2330";
const COLOURS: Record<Answer, string> = { real: "#1a6b3c", fake: "#a3231f", inconclusive: "#7a5200" };
const MARKS: Record<Answer, string> = { real: "#7fe0a8", fake: "#ff9d94", inconclusive: "#ffd27a" };

export interface Shown {
  name: string;
  judgement: Judgement;
  /** Place of the face that the words are about. */
  chosen: number;
  setting: Setting;
  date: Date;
}

/** What stands under the photograph, a paragraph each. */
export function listParagraphs({ name, judgement, chosen, setting, date }: Shown): string[] {
  const { findings } = judgement.judged[chosen];
  const { model, point } = setting;
  const { bundle, engine } = model.opened;
  const [best] = shareAmongForgeries(findings.attribution);
  const forged = decide(findings.llr, point) !== "real";
  return [
    text.sayEvidence(findings.llr, findings.strength),
    text.threshold.limits(point.name, point.fake_from, point.real_below),
    ...(forged ? [text.picture.madeBy(best.title, best.p)] : []),
    text.picture.file(name, judgement.judged.length > 1 ? chosen + 1 : null),
    text.picture.model(bundle.precision, bundle.digest, engine),
    text.picture.date(date),
    text.picture.limits,
  ];
}

/** Lines no wider than `width`; a word that is wider stands alone. */
export function wrap(words: string, width: number, measure: (line: string) => number): string[] {
  const lines: string[] = [];
  for (const word of words.split(" ")) {
    const longer = lines.length > 0 ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length > 0 && measure(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export async function drawPicture(photo: CanvasImageSource, shown: Shown): Promise<Blob> {
  const { width, height } = shown.judgement;
  const scale = Math.min(WIDTH / width, MOST_HEIGHT / height);
  const canvas = new OffscreenCanvas(WIDTH, 1);
  let brush = pick(canvas);
  brush.font = `${LINE * 0.7}px ${FONT}`;
  const measure = (line: string) => brush.measureText(line).width;
  const blocks = listParagraphs(shown).map((words) => wrap(words, WIDTH - 2 * MARGIN, measure));
  const top = Math.round(height * scale);
  const rows = blocks.reduce((sum, lines) => sum + lines.length + 0.4, 0);
  // a canvas that changes its size forgets its settings
  canvas.height = Math.ceil(top + 2 * MARGIN + BIG + rows * LINE);
  brush = pick(canvas);
  brush.fillStyle = PAPER;
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.imageSmoothingQuality = "high";
  const left = (WIDTH - width * scale) / 2;
  brush.drawImage(photo, left, 0, width * scale, top);
  shown.judgement.judged.forEach((judged, place) => drawBox(brush, judged, place, shown, left, scale));
  drawAnswer(brush, shown, top + MARGIN);
  drawBlocks(brush, blocks, top + MARGIN + BIG);
  return canvas.convertToBlob({ type: "image/png" });
}

function pick(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const brush = canvas.getContext("2d");
  if (brush === null) throw new Error("no canvas");
  brush.textBaseline = "top";
  return brush;
}

function drawBox(
  brush: OffscreenCanvasRenderingContext2D,
  { face, findings }: Judged,
  place: number,
  { chosen, setting, judgement }: Shown,
  left: number,
  scale: number,
): void {
  if (face === null) return;
  const [x0, y0, x1, y1] = face.box.map((value) => value * scale);
  const wide = place === chosen ? 6 : 3;
  for (const [colour, extra] of [["#000000", 3], [MARKS[decide(findings.llr, setting.point)], 0]] as const) {
    brush.strokeStyle = colour;
    brush.lineWidth = wide + extra;
    brush.strokeRect(left + x0, y0, x1 - x0, y1 - y0);
  }
  if (judgement.judged.length < 2) return;
  brush.font = `700 26px ${FONT}`;
  brush.lineWidth = 5;
  brush.strokeStyle = "#000000";
  brush.fillStyle = "#ffffff";
  brush.strokeText(String(place + 1), left + x0 + 8, y0 + 8);
  brush.fillText(String(place + 1), left + x0 + 8, y0 + 8);
}

function drawAnswer(brush: OffscreenCanvasRenderingContext2D, shown: Shown, y: number): void {
  const { llr } = shown.judgement.judged[shown.chosen].findings;
  const answer = decide(llr, shown.setting.point);
  brush.font = `700 ${BIG * 0.7}px ${FONT}`;
  brush.fillStyle = COLOURS[answer];
  brush.fillText(text.answers[answer], MARGIN, y);
  const said = `${text.verdict.llr} ${text.signed(llr)}`;
  brush.fillStyle = INK;
  brush.fillText(said, WIDTH - MARGIN - brush.measureText(said).width, y);
}

function drawBlocks(brush: OffscreenCanvasRenderingContext2D, blocks: string[][], from: number): void {
  brush.font = `${LINE * 0.7}px ${FONT}`;
  let y = from;
  for (const lines of blocks) {
    for (const line of lines) {
      brush.fillText(line, MARGIN, y);
      y += LINE;
    }
    y += LINE * 0.4;
  }
}
