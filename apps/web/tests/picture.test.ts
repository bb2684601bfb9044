import { expect, test } from "vitest";
import type { Setting } from "../src/ui/card";
import { listParagraphs, wrap, type Shown } from "../src/ui/picture";
import { findOut } from "../src/model/verdict";
import { text } from "../src/text";
import { expected } from "./expected";

const { evidence, temperature, classes, points } = expected.verdicts;
const bundle = {
  evidence,
  classes,
  temperature: { attribution: temperature },
  precision: "int8",
  digest: "0123456789abcdef0123",
};

function show(fake_logit: number): Shown {
  const outputs = { fake_logit: [fake_logit], logits: [0, 3, 1], gaze: [0, 0], embedding: [1] };
  const findings = findOut(bundle as never, outputs);
  const judged = { findings, pixels: new Uint8Array(), face: null, timings: {} };
  const setting = { model: { opened: { bundle, engine: "engine 1" } }, point: points[0], points };
  return {
    name: "a photo.jpg",
    judgement: { width: 9, height: 9, note: null, judged: [judged, judged], unjudged: [], outcome: null },
    chosen: 1,
    setting: setting as unknown as Setting,
    date: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
  };
}

test("the words say who judged what, when, at which threshold, and what it is not", () => {
  const said = listParagraphs(show(20)).join("\n");
  expect(said).toContain("evidence for a forgery");
  expect(said).toContain(`${points[0].name}: fake from LLR ${text.signed(points[0].fake_from)}`);
  expect(said).toContain("int8, bundle 0123456789abcdef, engine 1");
  expect(said).toContain("a photo.jpg, face 2");
  expect(said).toContain("2026-01-02 03:04 UTC");
  expect(said).toContain("not proof");
  expect(said).toContain(text.picture.madeBy(classes[1].title, 0).split(" (")[0]);
});

test("of what is called real it is not said what made it", () => {
  expect(listParagraphs(show(-20)).join("\n")).not.toContain("resembles most");
});

test("lines are broken between words, and a long word stands alone", () => {
  const measure = (line: string) => line.length;
  expect(wrap("one two three", 7, measure)).toEqual(["one two", "three"]);
  expect(wrap("extraordinarily long", 5, measure)).toEqual(["extraordinarily", "long"]);
  expect(wrap("a b", 99, measure)).toEqual(["a b"]);
});

test("the file is named for the picture", () => {
  expect(text.picture.name("holiday.2026.jpeg")).toBe("holiday.2026-verdict.png");
});
