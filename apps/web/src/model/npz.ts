/** Arrays of a `.npz` file (a zip of `.npy` members, stored or deflated), without a library. */

export interface NumberArray {
  shape: number[];
  data: Uint8Array | Float32Array;
}

const END_OF_DIRECTORY = 0x06054b50;
const END_LENGTH = 22;

/** Members by name, the ending left out. */
export async function readNpz(bytes: Uint8Array): Promise<Record<string, NumberArray>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.byteLength - END_LENGTH;
  while (end >= 0 && view.getUint32(end, true) !== END_OF_DIRECTORY) end -= 1;
  if (end < 0) throw new Error("no zip directory");
  const arrays: Record<string, NumberArray> = {};
  let at = view.getUint32(end + 16, true);
  for (let member = view.getUint16(end + 10, true); member > 0; member--) {
    const deflated = view.getUint16(at + 10, true) !== 0;
    const size = view.getUint32(at + 20, true);
    const nameLength = view.getUint16(at + 28, true);
    const local = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const stored = bytes.slice(start, start + size);
    arrays[name.replace(/\.npy$/, "")] = readNpy(deflated ? await inflate(stored) : stored);
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return arrays;
}

async function inflate(stored: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([stored]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function readNpy(bytes: Uint8Array): NumberArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] > 1;
  const from = wide ? 12 : 10;
  const start = from + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder("latin1").decode(bytes.subarray(from, start));
  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const sizes = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? "";
  const shape = sizes.split(",").filter((size) => size.trim()).map(Number);
  const body = bytes.slice(start);
  if (type === "|u1") return { shape, data: body };
  if (type === "<f4") return { shape, data: new Float32Array(body.buffer) };
  throw new Error(`arrays of ${type} are not read`);
}
