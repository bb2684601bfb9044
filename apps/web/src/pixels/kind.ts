/** What a file is by its first bytes; its name and its stated type are not heeded. */

export type Kind = "JPEG" | "PNG" | "WebP" | "BMP" | "AVIF";

export interface FileFacts {
  /** null: none that the page reads. */
  kind: Kind | null;
  /** More frames than one: which of them a browser shows is not the same everywhere. */
  animated: boolean;
  /** A colour profile is embedded, so that the browser must convert to sRGB. */
  profiled: boolean;
  /** Deeper than 8 bits: browsers round such values in another way than Pillow does. */
  deep: boolean;
}

const PNG_HEAD = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const NOTHING: FileFacts = { kind: null, animated: false, profiled: false, deep: false };

export function readFacts(bytes: Uint8Array): FileFacts {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) {
    return { ...NOTHING, kind: "JPEG", profiled: hasJpegProfile(bytes) };
  }
  if (startsWith(bytes, PNG_HEAD)) return readPng(bytes);
  if (word(bytes, 0) === "RIFF" && word(bytes, 8) === "WEBP") return readWebp(bytes);
  if (word(bytes, 0).startsWith("BM")) return { ...NOTHING, kind: "BMP" };
  if (word(bytes, 4) === "ftyp") {
    const brand = word(bytes, 8);
    const avif = brand === "avif" || brand === "avis";
    if (avif) return { ...NOTHING, kind: "AVIF", animated: brand === "avis", profiled: true };
  }
  return NOTHING;
}

function startsWith(bytes: Uint8Array, head: readonly number[]): boolean {
  return head.every((value, place) => bytes[place] === value);
}

/** Four letters at a place; shorter where the file ends. */
function word(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

/** Segments before the picture's data: ICC.1 annex B.4 puts profiles into APP2. */
function hasJpegProfile(bytes: Uint8Array): boolean {
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xda) return false;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xe2 && word(bytes, at + 4) === "ICC_") return true;
    at += 2 + (bytes[at + 2] << 8) + bytes[at + 3];
  }
  return false;
}

function readPng(bytes: Uint8Array): FileFacts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const facts = { ...NOTHING, kind: "PNG" as const, deep: bytes[24] > 8 };
  let at = 8;
  while (at + 8 <= bytes.length) {
    const name = word(bytes, at + 4);
    if (name === "IDAT" || name === "IEND") break;
    if (name === "acTL") facts.animated = true;
    if (name === "iCCP") facts.profiled = true;
    at += 12 + view.getUint32(at);
  }
  return facts;
}

function readWebp(bytes: Uint8Array): FileFacts {
  const flags = word(bytes, 12) === "VP8X" ? bytes[20] : 0;
  return { ...NOTHING, kind: "WebP", animated: (flags & 0x02) > 0, profiled: (flags & 0x20) > 0 };
}
