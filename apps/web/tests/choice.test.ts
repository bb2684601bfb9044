import { afterEach, expect, test, vi } from "vitest";
import {
  chooseFastest,
  describeCircumstances,
  listWays,
  recall,
  remember,
  takeMedians,
  type Trial,
} from "../src/model/choice";

const PACKED = [
  { folder: "model/", precision: "int8", sha256: "a" },
  { folder: "model-fp32/", precision: "fp32", sha256: "b" },
];
const failure = { reason: "test" as const, detail: "gaze" };
const measured = (bundle: number, threads: number, judge: number, find: number): Trial => ({
  bundle,
  threads,
  times: { judge, find },
});

afterEach(() => vi.unstubAllGlobals());

test("all ways are listed, and threads only where the page can have them", () => {
  const pairs = (threads: number) => listWays(PACKED, threads).map((way) => [way.bundle, way.threads]);
  expect(pairs(4)).toEqual([[0, 1], [1, 1], [0, 4], [1, 4]]);
  expect(pairs(1)).toEqual([[0, 1], [1, 1]]);
});

test("the fastest counts both networks, and only what passed", () => {
  const trials = [measured(0, 1, 7, 42), measured(1, 1, 5, 43), measured(0, 2, 9, 25)];
  expect(chooseFastest(trials)).toEqual({ bundle: 0, threads: 2 });
  expect(chooseFastest(trials.slice(0, 2))).toEqual({ bundle: 1, threads: 1 });
  expect(chooseFastest([{ bundle: 1, threads: 2, failure }, trials[0]])).toEqual({ bundle: 0, threads: 1 });
  expect(chooseFastest([{ bundle: 0, threads: 1, failure }])).toBeNull();
});

test("medians are of each time by itself", () => {
  const rounds = [[1, 30], [100, 10], [3, 20]].map(([judge, find]) => ({ judge, find }));
  expect(takeMedians(rounds)).toEqual({ judge: 3, find: 20 });
  expect(takeMedians(rounds.slice(0, 2))).toEqual({ judge: 50.5, find: 20 });
});

test("what was measured counts only where nothing has changed", () => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
  });
  vi.stubGlobal("navigator", { userAgent: "one", hardwareConcurrency: 2 });
  const trials = [measured(0, 1, 7, 42)];
  const here = describeCircumstances(PACKED, 2);
  expect(recall(here)).toBeNull();
  remember(here, trials);
  expect(recall(here)).toEqual(trials);
  expect(recall(describeCircumstances(PACKED.slice(0, 1), 2))).toBeNull();
  expect(recall(describeCircumstances(PACKED, 1))).toBeNull();
  vi.stubGlobal("navigator", { userAgent: "two", hardwareConcurrency: 2 });
  expect(recall(describeCircumstances(PACKED, 2))).toBeNull();
  kept.forEach((_, name) => kept.set(name, "{"));
  expect(recall(here)).toBeNull();
});

test("a browser that keeps nothing is measured at each start", () => {
  const refuse = () => {
    throw new Error("forbidden");
  };
  vi.stubGlobal("localStorage", { getItem: refuse, setItem: refuse });
  remember("here", []);
  expect(recall("here")).toBeNull();
});
