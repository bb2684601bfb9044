/**
 * The built page in Chromium against the Python runtime:
 *   PYTHON=.venv/bin/python node tests/browser/run.mjs [SCREENSHOTS] -- IMAGE...
 * IMAGEs are judged whole, photographs that Python makes are searched for faces. ONLY=heat,looks in
 * the environment runs these parts and no others.
 */
import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import axe from "axe-core";
import { askPython, hasChromium, launch, servePage } from "./chrome.mjs";
import { checkChoice, checkFallback, checkHeat, checkPicture, checkTampering } from "./extras.mjs";
import { check, faults, FIRST, judge, open, settle } from "./page.mjs";

const WITHIN = 1e-3;
// INT8 from equal pixels: where two engines round one value to neighbouring steps. OpenVINO and ONNX
// Runtime differ by more on one machine. Such images are listed.
const WITHIN_INT8 = 2e-2;
const WITHIN_GAZE_INT8 = 0.05; // radians, as bundles allow in their self-test
// The canvas lays transparency over grey with another rounding than Pillow (docs/web.md).
const OTHERWISE = ["animated.png", "transparent.png"];
// Python looks for faces in a large JPEG that it has decoded at a fraction of its size; the page in
// the whole one. Boxes then differ by pixels of many hundreds.
const REDUCED = "large.jpg";
const WITHIN_PIXELS = 4;
// What such a shift moved the weakest of three drawn faces by, and half as much again.
const WITHIN_REDUCED = 0.18;
const REPOSITORY = resolve(import.meta.dirname, "../../../..");
const MODEL = resolve(import.meta.dirname, "../../dist/model");
const TWIN = resolve(import.meta.dirname, "../../dist/model-fp32");
const SCENE_WIDTH = 1100; // of tools/make_web_photos.py
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1200, height: 900 };

const only = (process.env.ONLY ?? "").split(",").filter((name) => name !== "");
const split = process.argv.indexOf("--");
const shots = split > 2 ? process.argv[2] : null;
const images = split > 0 ? process.argv.slice(split + 1).map((path) => resolve(path)) : [];

async function verify(paths, kind, bundle = MODEL) {
  const args = ["-m", "runtimes", "verify", "--json", "--crop", kind, "--bundle", bundle];
  return JSON.parse(await askPython(REPOSITORY, ...args, "--engine", "onnxruntime", ...paths));
}

/** Python's rows and the page's, one by one. */
function compare(title, wanted, got) {
  check(`${title}: as many rows`, wanted.results.length === got.results.length);
  let apart = 0;
  const differing = [];
  wanted.results.forEach((row, place) => {
    const other = got.results[place] ?? {};
    const reduced = basename(row.source) === REDUCED;
    const exact = ["verdict", "outcome", "face", "unjudged_faces", ...(reduced ? [] : ["box", "crop"])];
    const same =
      exact.every((key) => JSON.stringify(row[key]) === JSON.stringify(other[key])) &&
      (row.box ?? []).every((side, at) => Math.abs(side - other.box[at]) <= WITHIN_PIXELS);
    const distance = Math.abs((row.fake_probability ?? 0) - (other.fake_probability ?? 0));
    apart = Math.max(apart, distance);
    const most = reduced ? WITHIN_REDUCED : wanted.bundle.precision === "int8" ? WITHIN_INT8 : WITHIN;
    // what still tells pictures apart where evidence is at its limit
    const turns = ["pitch", "yaw"].map((angle) => Math.abs((row.gaze?.[angle] ?? 0) - (other.gaze?.[angle] ?? 0)));
    const turned = !reduced && Math.max(...turns) > (wanted.bundle.precision === "int8" ? WITHIN_GAZE_INT8 : WITHIN);
    if (distance > WITHIN) console.log(`     ${row.source}: apart by ${distance.toFixed(4)}`);
    if (!same || turned || distance > most || "error" in row !== "error" in other) {
      differing.push(`${basename(row.source)}: ${row.verdict} ${row.outcome} ${row.crop} ${row.fake_probability} | ${other.verdict} ${other.outcome} ${other.crop} ${other.fake_probability}`);
    }
  });
  const keys = (row) => Object.keys(row).sort().join();
  check(`${title}: same keys`, keys(wanted) === keys(got) && keys(wanted.results[0]) === keys(got.results[0]));
  check(`${title}: same summary`, JSON.stringify(wanted.summary) === JSON.stringify(got.summary), JSON.stringify(got.summary));
  const detail = `${wanted.results.length} rows, fake probability apart by at most ${apart.toExponential(1)}`;
  check(`${title}: same answers`, differing.length === 0, [detail, ...differing].join("\n       "));
}

function median(rows, stage) {
  const sorted = rows.map((row) => row.timings_ms?.[stage] ?? NaN).filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[sorted.length >> 1]?.toFixed(1);
}

async function checkAccess(page, title) {
  const { violations } = await page.evaluate(async (source) => {
    // the policy forbids foreign scripts, so it comes as the test's own
    new Function(source).call(window);
    return window.axe.run();
  }, axe.source).catch((error) => ({ violations: [{ id: String(error), nodes: [] }] }));
  const said = violations.map(({ id, nodes }) => `${id} (${nodes.map((n) => n.target).join(", ")})`);
  check(`axe, ${title}`, violations.length === 0, said.join("; "));
}

async function look(page, title, size, scheme) {
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  await checkAccess(page, title);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(`nothing wider than the page, ${title}`, wide <= 0, `${wide} px`);
  if (shots) await page.screenshot({ path: join(shots, `${title}.png`), fullPage: true });
}

/** The picture of the README: one face, and what the model reacts to. */
async function drawReadme(page, path) {
  await page.setViewportSize({ width: 1000, height: 900 });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await judge(page, [path], "face");
  await page.click(".heat button");
  await page.waitForSelector(".heat canvas");
  const results = page.locator("section[aria-labelledby=results-heading]");
  await results.screenshot({ path: join(shots, "web.png") });
  await page.click("#clear");
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), "gazeclip-photos-"));
  await askPython(REPOSITORY, "tools/make_web_photos.py", folder);
  const names = readdirSync(folder).sort().filter((name) => !OTHERWISE.includes(name));
  const photos = names.map((name) => join(folder, name));
  const server = await servePage(REPOSITORY);
  try {
    await checkAll(server, folder, photos);
  } finally {
    await server.end();
  }
  console.log(faults.length === 0 ? "all held" : `${faults.length} did not hold`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function checkAll(server, folder, photos) {
  const { address } = server;
  const fresh = await launch({ serviceWorkers: "block", bypassCSP: true });
  const bundles = [MODEL, TWIN].filter(existsSync);
  const scene = join(folder, "scene.jpg");
  const few = [scene, join(folder, "no_face.png"), ...images.slice(0, 2)];
  let forged;
  const parts = {
    tampering: () => checkTampering(fresh, address, bundles),
    verdicts: async () => (forged = await checkVerdicts(fresh, address, photos)),
    twin: () => bundles.length > 1 && checkTwin(fresh, address),
    choice: () => checkChoice(fresh, address, bundles.length),
    fallback: () => bundles.length > 1 && checkFallback(fresh, address, MODEL),
    heat: () => checkHeat(fresh, address, scene),
    picture: () => checkPicture(fresh, address, scene, SCENE_WIDTH),
    others: () => checkOthers(fresh, address, folder),
    looks: () => checkLooks(fresh, address, few, forged ?? images[0] ?? scene),
    // last: it ends the server
    offline: () => checkOffline(server, few),
  };
  for (const [name, run] of Object.entries(parts)) if (only.length === 0 || only.includes(name)) await run();
  await fresh.close();
}

/** Against Python, in one thread and in two; one of the images that is called fake. */
async function checkVerdicts(context, address, photos) {
  let forged;
  for (const threads of [1, 2]) {
    const page = await open(context, address, `?threads=${threads}`);
    console.log(`     ${await page.textContent("#state")}`);
    if (images.length > 0) {
      const got = await judge(page, images, "whole");
      check(`threads ${threads}`, got.threads === threads);
      console.log(`     ${threads} threads, median ms: judge ${median(got.results.slice(3), "inference")}, decode ${median(got.results, "decode")}`);
      if (threads === 1) compare("crops", await verify(images, "whole"), got);
      forged = images[got.results.findIndex(({ verdict }) => verdict === "fake")];
      await page.click("#clear");
    }
    const got = await judge(page, photos, "face");
    if (threads === 1) compare("photographs", await verify(photos, "face"), got);
    console.log(`     ${threads} threads, median ms: find faces ${median(got.results, "detect")} (share of a face)`);
    await page.close();
  }
  return forged;
}

/** Accessibility and widths, screenshots if asked for, and the camera. */
async function checkLooks(context, address, few, forged) {
  const page = await open(context, address);
  if (shots) await drawReadme(page, forged);
  await judge(page, few, "face");
  await page.click(".heat button");
  await page.waitForSelector(".heat canvas");
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  for (const [scheme, size, name] of [["light", DESK, "desk"], ["dark", DESK, "desk"], ["light", PHONE, "phone"], ["dark", PHONE, "phone"]]) {
    await look(page, `${name}-${scheme}`, size, scheme);
  }
  await page.click("#clear");
  await page.click("#camera-open");
  await page.click("#camera-take");
  await page.waitForSelector(".card");
  check("the camera's picture is judged", /camera-1/.test(await page.textContent(".card h3")));
}

/** The other bundle, against Python with it. */
async function checkTwin(context, address) {
  if (images.length === 0) return;
  const page = await open(context, address, `${FIRST}&file=fp32`);
  const got = await judge(page, images, "whole");
  compare("crops, fp32", await verify(images, "whole", TWIN), got);
  console.log(`     fp32, 1 thread, median ms: judge ${median(got.results.slice(3), "inference")}`);
  await page.close();
}

/** What the page judges otherwise than `verify`, or not at all. */
async function checkOthers(context, address, folder) {
  const page = await open(context, address);
  const paths = OTHERWISE.map((name) => join(folder, name));
  const { results } = await judge(page, paths, "face");
  check("an animation is refused", /animation/.test(results[0].error), results[0].error);
  check("transparency is judged", results.slice(1).every(({ verdict }) => verdict !== null));
  await page.close();
}

/** With the service worker: no request while judging, and all of it without the server. */
async function checkOffline(server, paths) {
  const context = await launch();
  const page = await open(context, server.address);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  const requests = [];
  context.on("request", (request) => {
    if (/^https?:/.test(request.url())) requests.push(request.url());
  });
  await judge(page, paths, "face");
  check("no request while judging", requests.length === 0, requests.join(", "));
  await server.end();
  await page.reload();
  await settle(page);
  const got = await judge(page, paths, "face");
  check("it judges without the server", got.results.length >= paths.length);
  await context.close();
}

if (!hasChromium()) {
  console.log("SKIPPED: no Chromium (set CHROMIUM to its path); nothing of the page was tried");
} else {
  await main();
}
