/**
 * The built page in Chromium against the Python runtime:
 *   PYTHON=.venv/bin/python node tests/browser/run.mjs [SCREENSHOTS] -- IMAGE...
 * IMAGEs are judged whole, photographs that Python makes are searched for faces.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import axe from "axe-core";
import { askPython, hasChromium, launch, servePage } from "./chrome.mjs";

const WITHIN = 1e-3;
// INT8 from equal pixels: where two engines round one value to neighbouring steps. OpenVINO and ONNX
// Runtime differ by more on one machine. Such images are listed.
const WITHIN_INT8 = 2e-2;
// The canvas lays transparency over grey with another rounding than Pillow (docs/web.md).
const OTHERWISE = ["animated.png", "transparent.png"];
const REPOSITORY = resolve(import.meta.dirname, "../../../..");
const MODEL = resolve(import.meta.dirname, "../../dist/model");
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1200, height: 900 };

const split = process.argv.indexOf("--");
const shots = split > 2 ? process.argv[2] : null;
const images = split > 0 ? process.argv.slice(split + 1).map((path) => resolve(path)) : [];
const faults = [];

function check(what, held, detail = "") {
  console.log(`${held ? "ok  " : "FAIL"} ${what} ${detail}`);
  if (!held) faults.push(what);
}

async function open(context, address, query = "") {
  const page = await context.newPage();
  page.on("pageerror", (error) => check("no error in the page", false, error.message));
  page.on("console", (line) => {
    if (line.type() === "error") check("no error on the console", false, line.text());
  });
  await page.goto(address + query);
  await settle(page);
  return page;
}

const settle = (page) => page.waitForSelector(".state.ready, .state.refused", { timeout: 60_000 });

async function judge(page, paths, kind) {
  await page.selectOption("#kind", kind);
  await page.setInputFiles("#files", paths);
  const all = (count) => document.querySelectorAll(".card").length === count;
  await page.waitForFunction(all, paths.length, { timeout: 120_000 });
  const download = page.waitForEvent("download");
  await page.click("#save");
  const answer = JSON.parse(readFileSync(await (await download).path(), "utf8"));
  return answer;
}

async function verify(paths, kind) {
  const args = ["-m", "runtimes", "verify", "--json", "--crop", kind, "--bundle", MODEL];
  return JSON.parse(await askPython(REPOSITORY, ...args, "--engine", "onnxruntime", ...paths));
}

/** Python's rows and the page's, one by one. */
function compare(title, wanted, got) {
  check(`${title}: as many rows`, wanted.results.length === got.results.length);
  let apart = 0;
  const differing = [];
  wanted.results.forEach((row, place) => {
    const other = got.results[place] ?? {};
    const same = ["verdict", "outcome", "face", "box", "crop", "unjudged_faces"].every(
      (key) => JSON.stringify(row[key]) === JSON.stringify(other[key]),
    );
    const distance = Math.abs((row.fake_probability ?? 0) - (other.fake_probability ?? 0));
    apart = Math.max(apart, distance);
    const most = wanted.bundle.precision === "int8" ? WITHIN_INT8 : WITHIN;
    if (distance > WITHIN) console.log(`     ${row.source}: apart by ${distance.toFixed(4)}`);
    if (!same || distance > most || "error" in row !== "error" in other) {
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

async function checkTampering(context, address) {
  const bundle = readFileSync(join(MODEL, "bundle.json"), "utf8");
  const hash = (text) => createHash("sha256").update(text).digest("hex");
  const meta = JSON.parse(bundle);
  const spoilt = JSON.stringify({ ...meta, golden: { ...meta.golden, tolerance: { ...meta.golden.tolerance, gaze: -1 } } });
  const serve = (body) => (route) => route.fulfill({ body, contentType: "application/json" });
  await context.route("**/model/bundle.json", serve(spoilt));
  let page = await open(context, address);
  check("a changed bundle is refused", /not the file/.test(await page.textContent("#state")), await page.textContent("#state"));
  check("and nothing can be chosen", await page.isDisabled("#files"));
  await page.close();
  await context.route("**/judge.worker*.js", async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace(hash(bundle), hash(spoilt));
    await route.fulfill({ response: answer, body });
  });
  page = await open(context, address);
  check("a failed self-test is refused", /self-test failed.*gaze/.test(await page.textContent("#state")), await page.textContent("#state"));
  check("and nothing can be chosen then", await page.isDisabled("#files"));
  await page.close();
  await context.unrouteAll();
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
  await checkTampering(fresh, address);
  for (const threads of [1, 2]) {
    const page = await open(fresh, address, `?threads=${threads}`);
    console.log(`     ${await page.textContent("#state")}`);
    if (images.length > 0) {
      const got = await judge(page, images, "whole");
      check(`threads ${threads}`, got.threads === threads);
      console.log(`     ${threads} threads, median ms: judge ${median(got.results.slice(3), "inference")}, decode ${median(got.results, "decode")}`);
      if (threads === 1) compare("crops", await verify(images, "whole"), got);
      await page.click("#clear");
    }
    const got = await judge(page, photos, "face");
    if (threads === 1) compare("photographs", await verify(photos, "face"), got);
    console.log(`     ${threads} threads, median ms: find faces ${median(got.results, "detect")} (share of a face)`);
    await page.click("#clear");
    await page.close();
  }
  await checkOthers(fresh, address, folder);
  const page = await open(fresh, address);
  const few = [join(folder, "scene.jpg"), join(folder, "no_face.png"), ...images.slice(0, 2)];
  await judge(page, few, "face");
  for (const [scheme, size, name] of [["light", DESK, "desk"], ["dark", DESK, "desk"], ["light", PHONE, "phone"], ["dark", PHONE, "phone"]]) {
    await look(page, `${name}-${scheme}`, size, scheme);
  }
  await page.click("#clear");
  await page.click("#camera-open");
  await page.click("#camera-take");
  await page.waitForSelector(".card");
  check("the camera's picture is judged", /camera-1/.test(await page.textContent(".card h3")));
  await fresh.close();
  await checkOffline(server, few);
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
