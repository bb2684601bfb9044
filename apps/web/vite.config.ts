/**
 * Builds the page around a bundle. `gazeclip app --build` checks the bundle and names what goes in:
 * GAZECLIP_BUNDLE (folder), GAZECLIP_DETECTOR (file), GAZECLIP_DETECTOR_SHA256, GAZECLIP_OUT.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { defineConfig, type Plugin } from "vite";

const MANIFEST = "bundle.json";
const { GAZECLIP_BUNDLE: bundle = "", GAZECLIP_DETECTOR: detector = "" } = process.env;
const out = process.env.GAZECLIP_OUT ?? "dist";

const hash = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

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
      const model = join(out, "model");
      mkdirSync(model, { recursive: true });
      const { files } = JSON.parse(readFileSync(join(bundle, MANIFEST), "utf8"));
      for (const name of [MANIFEST, ...Object.keys(files)]) {
        copyFileSync(join(bundle, name), join(model, name));
      }
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
      __BUNDLE_SHA256__: JSON.stringify(bundle && hash(readFileSync(join(bundle, MANIFEST)))),
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
