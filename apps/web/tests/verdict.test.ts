import { describe, expect, test } from "vitest";
import type { Opened } from "../src/judge.worker";
import type { Judged } from "../src/model/judge";
import { describeResults, type Result } from "../src/model/report";
import { decide, findOut, isReliable, shareAmongForgeries, sigmoid } from "../src/model/verdict";
import { text } from "../src/text";
import { expected } from "./expected";

const { evidence, temperature, classes, points, cases } = expected.verdicts;
const bundle = {
  evidence,
  classes,
  temperature: { attribution: temperature },
  target: "onnx",
  precision: "int8",
  digest: "d",
} as Opened["bundle"];
const opened = { folder: "model/", bundle, engine: "engine", threads: 1 } as Opened;
const find = (fake_logit: number, logits: number[]) =>
  findOut(bundle, { fake_logit: [fake_logit], logits, gaze: [0.1, -0.2], embedding: [1] });

describe("verdicts are Python's", () => {
  test.each(cases)("of fake logit $fake_logit", (entry) => {
    const found = find(entry.fake_logit, entry.logits);
    expect(found.llr).toBeCloseTo(entry.llr, 9);
    expect(found.strength).toBe(entry.strength);
    expect(points.map((point) => decide(found.llr, point))).toEqual(entry.answers);
    expect(sigmoid(found.llr)).toBeCloseTo(entry.fake_probability, 9);
    expect(found.attribution.map(({ name }) => name)).toEqual(entry.attribution.map(({ name }) => name));
    const [best] = shareAmongForgeries(found.attribution);
    expect(best.name).toBe(entry.generator.name);
    expect(best.p).toBeCloseTo(entry.generator.p, 9);
  });

  test("a model that learnt no gaze tells none", () => {
    const outputs = { fake_logit: [1], logits: [0, 3, 1], gaze: [0.1, -0.2], embedding: [1] };
    expect(findOut(bundle, outputs).gaze).toEqual({ pitch: 0.1, yaw: -0.2 });
    expect(findOut({ ...bundle, gaze: true }, outputs).gaze).toEqual({ pitch: 0.1, yaw: -0.2 });
    expect(findOut({ ...bundle, gaze: false }, outputs).gaze).toBeNull();
  });

  test("all three answers occur", () => {
    expect(new Set(cases.map(({ answers }) => answers[0])).size).toBe(3);
  });

  test("and which points are reliable", () => {
    expect(points.map(isReliable)).toEqual(expected.verdicts.reliable);
  });
});

describe("what is saved", () => {
  const judged: Judged = {
    findings: find(20, [0, 3, 1]),
    pixels: new Uint8Array(),
    face: { box: [1, 2, 3, 4], crop: [0, 0, 5, 5], score: 0.9 },
    timings: { decode: 1.23456789, inference: 2 },
  };
  const facts = { width: 9, height: 9, note: null };
  const results: Result[] = [
    {
      name: "a.jpg",
      kind: "face",
      judgement: { ...facts, judged: [judged], unjudged: [{ box: [0, 0, 1, 1], obstacle: "blurred" }], outcome: null },
    },
    { name: "b.jpg", kind: "face", judgement: { ...facts, judged: [], unjudged: [], outcome: "no_face" } },
    { name: "c.jpg", kind: "face", failure: { reason: "damaged", detail: "" } },
  ];
  const data = describeResults(opened, points[0], results) as Record<string, never>;
  const rows = data.results as Record<string, unknown>[];

  test("a verdict has the keys of verify --json", () => {
    expect(Object.keys(rows[0]).sort()).toEqual(expected.keys);
    expect(rows[0]).toMatchObject({
      verdict: "fake",
      llr: evidence.limits[1],
      face: 1,
      unjudged_faces: ["blurred"],
      timings_ms: { decode: 1.2346, inference: 2 },
    });
  });

  test("and so have those without one", () => {
    expect(rows[1]).toEqual({
      source: "b.jpg",
      verdict: null,
      outcome: "no_face",
      reason: text.outcomes.no_face.what,
      remedy: text.outcomes.no_face.remedy,
    });
    expect(Object.keys(rows[2])).toEqual(["source", "verdict", "error", "remedy"]);
    expect(data.summary).toEqual({ real: 0, fake: 1, inconclusive: 0, error: 1, no_usable_face: 1 });
    expect(data).toMatchObject({ schema: 2, crop: "face", operating_point: { name: points[0].name } });
  });
});

test("the evidence in words names the side for which it speaks", () => {
  expect(text.sayEvidence(0.1, "none")).toMatch(/neither/);
  expect(text.sayEvidence(3, "moderate")).toMatch(/^Moderate evidence for a forgery: .* 20 times/);
  expect(text.sayEvidence(-3, "moderate")).toMatch(/^Moderate evidence for a real face/);
});
