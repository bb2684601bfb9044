/** A file's picture as the pixel contract wants it: upright, sRGB, transparency over mid-grey. */
import { dropAlpha, type Picture } from "./picture";
import { readFacts } from "./kind";

const MAX_PIXELS = 120_000_000;
const MAX_BYTES = 256_000_000;
const MID_GREY = "rgb(128, 128, 128)";
const PROBE_SIDE = 16;

/** Why a file gives no picture: a key of the page's texts. */
export class Unreadable extends Error {
  constructor(readonly reason: "type" | "animated" | "damaged" | "large" | "bytes") {
    super(reason);
  }
}

/** How the file's colours were treated beyond reading them. */
export type Note = "profile" | "deep" | null;

export interface Decoded {
  picture: Picture;
  note: Note;
}

export async function decode(file: Blob): Promise<Decoded> {
  if (file.size > MAX_BYTES) throw new Unreadable("bytes");
  const facts = readFacts(new Uint8Array(await file.arrayBuffer()));
  if (facts.kind === null) throw new Unreadable("type");
  if (facts.animated) throw new Unreadable("animated");
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, {
      colorSpaceConversion: facts.profiled ? "default" : "none",
      premultiplyAlpha: "none",
      imageOrientation: "from-image",
    });
  } catch {
    throw new Unreadable("damaged");
  }
  // a closed bitmap is 0 x 0
  const { width, height } = bitmap;
  try {
    if (width * height > MAX_PIXELS) throw new Unreadable("large");
    const canvas = makeCanvas(width, height);
    canvas.fillStyle = MID_GREY;
    canvas.fillRect(0, 0, width, height);
    canvas.drawImage(bitmap, 0, 0);
    const { data } = canvas.getImageData(0, 0, width, height);
    const note = facts.profiled ? "profile" : facts.deep ? "deep" : null;
    return { picture: dropAlpha(data, width, height), note };
  } finally {
    bitmap.close();
  }
}

function makeCanvas(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Unreadable("large");
  return context;
}

/**
 * Whether a canvas gives back what was put in. Some browsers add noise there against recognition
 * of their users; a verdict on such pixels would be one on the noise.
 */
export async function givesTruePixels(): Promise<boolean> {
  const put = new ImageData(PROBE_SIDE, PROBE_SIDE);
  put.data.forEach((_, place) => {
    put.data[place] = place % 4 === 3 ? 255 : (place * 37 + (place >> 6) * 11) % 256;
  });
  const canvas = makeCanvas(PROBE_SIDE, PROBE_SIDE);
  canvas.drawImage(await createImageBitmap(put, { colorSpaceConversion: "none" }), 0, 0);
  const got = canvas.getImageData(0, 0, PROBE_SIDE, PROBE_SIDE).data;
  return got.every((value, place) => value === put.data[place]);
}
