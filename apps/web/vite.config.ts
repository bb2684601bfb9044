/**
 * Builds the page around a bundle. `gazeclip app --build` checks the bundle and names what goes in:
 * GAZECLIP_BUNDLE (folder), GAZECLIP_TWIN (folder of the same student in another precision, or
 * empty), GAZECLIP_DETECTOR (file), GAZECLIP_DETECTOR_SHA256, GAZECLIP_OUT.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { defineConfig, type Plugin } from "vite";

const MANIFEST = "bundle.json";
const { GAZECLIP_BUNDLE: bundle = "", GAZECLIP_TWIN: twin = "" } = process.env;
const detector = process.env.GAZECLIP_DETECTOR ?? "";
const out = process.env.GAZECLIP_OUT ?? "dist";

const hash = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

const sources = [bundle, twin].filter((folder) => folder !== "");

/** What the page knows of each bundle before it loads any (`src/model/load.ts`). */
const packed = sources.map((source, place) => {
  const manifest = readFileSync(join(source, MANIFEST));
  const { precision } = JSON.parse(manifest.toString());
  const folder = place === 0 ? "model/" : `model-${precision}/`;
  return { folder, precision, sha256: hash(manifest) };
});

function copyBundle(source: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const { files } = JSON.parse(readFileSync(join(source, MANIFEST), "utf8"));
  for (const name of [MANIFEST, ...Object.keys(files)]) {
    copyFileSync(join(source, name), join(folder, name));
  }
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}

/** Copies what the page loads beside it, and lists all its files in the service worker. */
function completePage(): Plugin {
  return {
    name: "complete-page",
    apply: "build",
    closeBundle() {
      packed.forEach(({ folder }, place) => copyBundle(sources[place], join(out, folder)));
      // not among the bundle's files: a bundle with one more is refused
      mkdirSync(join(out, "faces"), { recursive: true });
      copyFileSync(detector, join(out, "faces", "yunet.onnx"));
      const worker = join(out, "sw.js");
      const built = listFiles(out).filter((path) => path !== worker).sort();
      const version = hash(built.map((path) => path + hash(readFileSync(path))).join());
      const names = ["./", ...built.map((path) => relative(out, path))];
      const source = readFileSync(worker, "utf8")
        .replace("__VERSION__", version.slice(0, 16))
        .replace("__FILES__", JSON.stringify(names));
      writeFileSync(worker, source);
    },
  };
}

// ONNX Runtime starts its threads from the chunk that it lies in: shared with the page's own code,
// they would start the page again, and wait for ever.
const output = {
  manualChunks: (id: string) => (id.includes("onnxruntime") ? "ort" : undefined),
};

export default defineConfig(({ command, mode }) => {
  if (command === "build" && mode !== "test" && !(bundle && detector)) {
    throw new Error("build the page with: make web (or gazeclip app --build)");
  }
  return {
    base: "./",
    define: {
      __PACKED__: JSON.stringify(packed),
      __DETECTOR_SHA256__: JSON.stringify(process.env.GAZECLIP_DETECTOR_SHA256 ?? ""),
    },
    build: {
      outDir: out,
      emptyOutDir: true,
      target: "es2022",
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 20_000,
      rollupOptions: { output },
    },
    worker: { format: "es", rollupOptions: { output } },
    plugins: [completePage()],
    test: { include: ["tests/*.test.ts"] },
  };
});
