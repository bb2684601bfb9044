import { describe, expect, test } from "vitest";
import { cutSquare } from "../src/faces/crop";
import { fitIntoSquare, INPUT_SIZE, readFaces } from "../src/faces/detect";
import { mergeFaces } from "../src/faces/merge";
import { findObstacle, isBlurred, measureSharpness } from "../src/faces/usable";
import { decodePicture, expected, MODEL_SIZE } from "./expected";

describe("crops and obstacles are Python's", () => {
  test.each(expected.crops)("$face.box in $width x $height", (entry) => {
    const { width, height, face, rule } = entry;
    const crop = cutSquare(face, width, height, rule);
    expect(crop).toEqual(entry.crop);
    expect(findObstacle(face, crop, width, height, MODEL_SIZE)).toBe(entry.obstacle);
  });

  test("several kinds occur", () => {
    const kinds = new Set(expected.crops.map(({ obstacle }) => obstacle));
    expect(kinds.size).toBeGreaterThan(2);
  });
});

test("boxes are merged as Python merges them", () => {
  const got = mergeFaces(expected.merge.found);
  expect(got.length).toBe(expected.merge.wanted.length);
  expect(got.length).toBeLessThan(expected.merge.found.length);
  got.forEach((face, place) => {
    const wanted = expected.merge.wanted[place];
    expect(face.score).toBe(wanted.score);
    face.box.forEach((value, side) => expect(value).toBeCloseTo(wanted.box[side], 9));
    face.points.flat().forEach((value, at) => {
      expect(value).toBeCloseTo(wanted.points.flat()[at], 9);
    });
  });
});

test.each(expected.letterbox)("$width x $height in the square", (entry) => {
  const { width, height } = entry;
  const colour = [9, 80, 200];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, place) => colour[place % 3]);
  const square = fitIntoSquare({ data, width, height });
  expect(square.scale).toEqual(entry.scale);
  expect(square.offset).toEqual(entry.offset);
  expect(square.pixels.length).toBe(INPUT_SIZE ** 2 * 3);
  expect(square.pixels.reduce((sum, value) => sum + value, 0)).toBe(entry.sum);
});

test("faces come back in the picture's pixels, the largest first, the unsure left out", () => {
  const square = { pixels: new Uint8Array(), scale: [0.5, 0.5], offset: [10, 20] };
  const found = {
    boxes: Float32Array.from([15, 30, 25, 40, 110, 120, 210, 220, 0, 0, 9, 9]),
    points: Float32Array.from({ length: 30 }, (_, place) => (place % 2 ? 20 : 10)),
    scores: Float32Array.from([0.75, 0.5, 0.25]),
  };
  const faces = readFaces(found, square as never);
  expect(faces.map(({ box }) => box)).toEqual([
    [200, 200, 400, 400],
    [10, 20, 30, 40],
  ]);
  expect(faces[0].points[0]).toEqual([0, 0]);
});

test("sharpness is Python's, and blur is seen", () => {
  for (const { picture, wanted } of expected.sharpness) {
    expect(measureSharpness(decodePicture(picture))).toBeCloseTo(wanted, 4);
  }
  const seen = expected.sharpness.map(({ picture }) => isBlurred(decodePicture(picture)));
  expect(new Set(seen)).toEqual(new Set([true, false]));
});
