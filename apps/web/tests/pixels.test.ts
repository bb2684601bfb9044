import { describe, expect, test } from "vitest";
import { readFacts } from "../src/pixels/kind";
import { cutOut, dropAlpha } from "../src/pixels/picture";
import { resize } from "../src/pixels/resample";
import { decodePicture, expected } from "./expected";

describe("scaling is Pillow's, byte for byte", () => {
  test.each(expected.resize)("$filter $picture.width to $wanted.width", (entry) => {
    const wanted = decodePicture(entry.wanted);
    const got = resize(decodePicture(entry.picture), wanted.width, wanted.height, entry.filter);
    expect([got.width, got.height]).toEqual([wanted.width, wanted.height]);
    expect(Buffer.compare(got.data, wanted.data)).toBe(0);
  });
});

test("a crop holds the pixels inside it", () => {
  const data = Uint8Array.from({ length: 4 * 3 * 3 }, (_, place) => place);
  const crop = cutOut({ data, width: 4, height: 3 }, [1, 1, 3, 3]);
  expect([crop.width, crop.height]).toEqual([2, 2]);
  expect([...crop.data]).toEqual([15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32]);
});

test("alpha is dropped", () => {
  const { data } = dropAlpha(new Uint8ClampedArray([1, 2, 3, 255, 4, 5, 6, 255]), 2, 1);
  expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
});

describe("files are known by their bytes", () => {
  const bytes = (...parts: (string | number[])[]) =>
    Uint8Array.from(parts.flatMap((part) => [...Buffer.from(part as string, "latin1")]));
  const png = (depth: number, ...chunks: string[]) =>
    bytes([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10], [0, 0, 0, 13], "IHDR", [
      ...[0, 0, 0, 1, 0, 0, 0, 1, depth, 2, 0, 0, 0, 0, 0, 0, 0],
    ], ...chunks.flatMap((name) => [[0, 0, 0, 0], name, [0, 0, 0, 0]]));

  test("PNG", () => {
    const plain = { kind: "PNG", animated: false, profiled: false, deep: false };
    expect(readFacts(png(8, "IDAT"))).toEqual(plain);
    expect(readFacts(png(16, "iCCP", "IDAT"))).toEqual({ ...plain, profiled: true, deep: true });
    expect(readFacts(png(8, "acTL", "IDAT"))).toEqual({ ...plain, animated: true });
    expect(readFacts(png(8, "IDAT", "iCCP"))).toEqual(plain);
  });

  test("JPEG with and without a profile", () => {
    const head = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0];
    const scan = [0xff, 0xda, 0, 2];
    const profile = bytes([0xff, 0xe2, 0, 6], "ICC_");
    expect(readFacts(bytes(head, scan))).toMatchObject({ kind: "JPEG", profiled: false });
    const marked = Uint8Array.from([...head, ...profile, ...scan]);
    expect(readFacts(marked)).toMatchObject({ kind: "JPEG", profiled: true });
  });

  test("WebP, BMP, AVIF, and what is none of them", () => {
    const webp = (flags: number) => bytes("RIFF", [0, 0, 0, 0], "WEBPVP8X", [10, 0, 0, 0, flags]);
    expect(readFacts(webp(0x22))).toMatchObject({ kind: "WebP", animated: true, profiled: true });
    expect(readFacts(webp(0))).toMatchObject({ kind: "WebP", animated: false, profiled: false });
    expect(readFacts(bytes("BM....")).kind).toBe("BMP");
    expect(readFacts(bytes([0, 0, 0, 0], "ftypavif")).kind).toBe("AVIF");
    expect(readFacts(bytes([0, 0, 0, 0], "ftypheic")).kind).toBeNull();
    expect(readFacts(bytes("GIF89a")).kind).toBeNull();
    expect(readFacts(new Uint8Array()).kind).toBeNull();
  });
});
