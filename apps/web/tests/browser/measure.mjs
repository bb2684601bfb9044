/**
 * Figures of docs/web.md, as tables: latencies of each file and number of threads, the time to a
 * first verdict, sizes.
 *   PYTHON=.venv/bin/python node tests/browser/measure.mjs IMAGE...
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { hasChromium, launch, servePage } from "./chrome.mjs";
import { judge, open } from "./page.mjs";

const REPOSITORY = resolve(import.meta.dirname, "../../../..");
const DIST = resolve(import.meta.dirname, "../../dist");
const WARM_UP = 3; // pictures that are not counted
const VISITS = 3; // of which the median is told
const images = process.argv.slice(2).map((path) => resolve(path));

function findMedian(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function tabulate(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  console.log([line(head), line(head.map((_, place) => (place > 1 ? "---:" : "---"))), ...rows.map(line), ""].join("\n"));
}

async function measureWays(address) {
  const context = await launch({ serviceWorkers: "block" });
  const rows = [];
  const files = readdirSync(DIST).filter((name) => name.startsWith("model")).sort();
  for (const folder of files) {
    const { precision } = JSON.parse(readFileSync(join(DIST, folder, "bundle.json"), "utf8"));
    for (const threads of [1, 2]) {
      const page = await open(context, address, `?file=${precision}&threads=${threads}`);
      const { results } = await judge(page, images, "face");
      const times = results.flatMap(({ timings_ms: ms }) => (ms ? [ms] : [])).slice(WARM_UP);
      const of = (stage) => findMedian(times.map((ms) => ms[stage])).toFixed(1);
      const started = performance.now();
      await page.click(".heat button");
      await page.waitForSelector(".heat canvas");
      const heat = ((performance.now() - started) / 1000).toFixed(1);
      rows.push([precision, threads, of("inference"), of("detect"), of("decode"), heat]);
      await page.close();
    }
  }
  await context.close();
  tabulate(["File", "Threads", "judge a face, ms", "find faces, ms", "decode, ms", "heat map, s"], rows);
}

/** Seconds from asking for the page until it is ready, and until a picture has its verdict. */
async function visit(context, address) {
  const started = performance.now();
  const page = await open(context, address, "");
  const ready = performance.now() - started;
  await page.setInputFiles("#files", images[0]);
  await page.waitForSelector(".card");
  const verdict = performance.now() - started;
  return { page, ready, verdict };
}

async function measureVisits(address) {
  const first = [];
  const later = [];
  for (let round = 0; round < VISITS; round++) {
    const context = await launch();
    const { page, ...times } = await visit(context, address);
    first.push(times);
    await page.close();
    // measures, and keeps the files
    const quiet = await open(context, address, "");
    await quiet.waitForFunction(() => !document.querySelector("#measure").disabled);
    await quiet.evaluate(() => navigator.serviceWorker.ready);
    await quiet.close();
    const { page: again, ...next } = await visit(context, address);
    console.log(`later visit: ${await again.textContent("#choice")}`);
    later.push(next);
    await context.close();
  }
  const row = (title, times) => {
    const of = (key) => (findMedian(times.map((entry) => entry[key])) / 1000).toFixed(1);
    return [title, `${times.length} visits`, of("ready"), of("verdict")];
  };
  tabulate(["Visit", "", "self-test passed, s", "first verdict, s"], [row("first", first), row("later", later)]);
}

function measureSizes() {
  const assets = readdirSync(join(DIST, "assets"));
  const pick = (keep) => assets.filter(keep).map((name) => join(DIST, "assets", name));
  const isOurs = (name) => /\.(js|css)$/.test(name) && !name.startsWith("ort");
  const models = readdirSync(DIST).filter((name) => name.startsWith("model"));
  const parts = [
    ["own JavaScript and CSS", pick(isOurs)],
    ["ONNX Runtime's JavaScript", pick((name) => /^ort.*\.js$/.test(name))],
    ["ONNX Runtime's WASM", pick((name) => name.endsWith(".wasm"))],
    ["face detector", [join(DIST, "faces", "yunet.onnx")]],
    ...models.map((name) => [`${name}/`, [join(DIST, name, "model.onnx")]]),
  ];
  const rows = parts.map(([title, paths]) => {
    const contents = paths.map((path) => readFileSync(path));
    const add = (sizes) => (sizes.reduce((sum, size) => sum + size, 0) / 1000).toFixed(0);
    const packed = contents.map((content) => gzipSync(content, { level: 9 }).length);
    return [title, `${paths.length} files`, add(contents.map(({ length }) => length)), add(packed)];
  });
  tabulate(["Part", "", "kB", "kB gzip"], rows);
}

if (!hasChromium()) {
  console.log("SKIPPED: no Chromium (set CHROMIUM to its path); nothing was measured");
} else {
  measureSizes();
  const server = await servePage(REPOSITORY);
  await measureWays(server.address);
  await measureVisits(server.address);
  await server.end();
}
