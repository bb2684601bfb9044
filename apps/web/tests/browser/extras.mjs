/** What is fastest, the heat map, the picture of a result, and a bundle that fails. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check, judge, open, save, settle } from "./page.mjs";

const hash = (text) => createHash("sha256").update(text).digest("hex");
const serve = (body) => (route) => route.fulfill({ body, contentType: "application/json" });

/** A bundle's text with a self-test that nothing passes. */
function spoil(text) {
  const meta = JSON.parse(text);
  const tolerance = { ...meta.golden.tolerance, gaze: -1 };
  return JSON.stringify({ ...meta, golden: { ...meta.golden, tolerance } });
}

/** Bundles with other bytes, and others with a page that was built around them. */
export async function checkTampering(context, address, folders) {
  const texts = folders.map((folder) => readFileSync(join(folder, "bundle.json"), "utf8"));
  const names = folders.map((folder) => folder.split("/").pop());
  await context.route(`**/${names[0]}/bundle.json`, serve(spoil(texts[0])));
  let page = await open(context, address);
  let said = await page.textContent("#state");
  check("a changed bundle is refused", /not the file/.test(said), said);
  check("and nothing can be chosen", await page.isDisabled("#files"));
  await page.close();

  // the page's scripts, as a build around the spoilt bundles would have made them
  await context.route("**/assets/*.js", async (route) => {
    const answer = await route.fetch();
    const body = texts.reduce(
      (script, text) => script.replaceAll(hash(text), hash(spoil(text))),
      await answer.text(),
    );
    await route.fulfill({ response: answer, body });
  });
  for (const [place, name] of names.entries()) {
    await context.route(`**/${name}/bundle.json`, serve(spoil(texts[place])));
  }
  page = await open(context, address, "");
  said = await page.textContent("#state");
  check("failed self-tests are refused", /self-test failed.*gaze/.test(said), said);
  check("and nothing can be chosen then", await page.isDisabled("#files"));
  await page.close();
  await context.unrouteAll();
}

/** A page whose first bundle fails here judges with the second, and says so. */
export async function checkFallback(context, address, folder) {
  const text = readFileSync(join(folder, "bundle.json"), "utf8");
  await context.route("**/assets/*.js", async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replaceAll(hash(text), hash(spoil(text)));
    await route.fulfill({ response: answer, body });
  });
  await context.route(`**/${folder.split("/").pop()}/bundle.json`, serve(spoil(text)));
  const page = await open(context, address, "");
  await measured(page);
  const said = await page.textContent("#choice");
  check("where one bundle fails the other judges, and it is said", /with the fp32.*cannot judge here: int8/.test(said), said);
  await page.close();
  await context.unrouteAll();
}

/** Until it is known what is fastest here. */
const measured = (page) =>
  page.waitForFunction(() => {
    const busy = document.querySelector("#measure").disabled;
    return !busy && document.querySelector("#trials table") !== null;
  });

/** The table of what was measured: file, threads, milliseconds of a face, of a search. */
const readTrials = (page) =>
  page.$$eval("#trials tbody tr", (rows) =>
    rows.map((row) => ({
      used: row.className === "used",
      cells: [...row.children].map((cell) => cell.textContent),
    })),
  );

/** Measured at the first start, remembered at the next, and measured again on request. */
export async function checkChoice(context, address, bundles) {
  let page = await open(context, address, "");
  await measured(page);
  const trials = await readTrials(page);
  const threads = await page.evaluate(() => Math.min(4, navigator.hardwareConcurrency));
  check("every way was measured", trials.length === bundles * (threads > 1 ? 2 : 1), `${trials.length}`);
  const sums = trials.map(({ cells }) => Number(cells[2]) + Number(cells[3]));
  const [used] = trials.flatMap((trial, place) => (trial.used ? [sums[place]] : []));
  // the table rounds to tenths
  check("the fastest is in use", used <= Math.min(...sums) + 0.2, JSON.stringify(trials.map(({ cells }) => cells)));
  await page.close();
  page = await open(context, address, "");
  const said = await page.textContent("#choice");
  check("it is remembered", /fastest that was measured/.test(said), said);
  check("with what was measured", JSON.stringify(await readTrials(page)) === JSON.stringify(trials));
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  await page.click("#measure");
  await measured(page);
  const again = await readTrials(page);
  check("it can be measured again", again.length === trials.length, JSON.stringify(again.map(({ cells }) => cells)));
  await page.close();
}

/** By keyboard: started, cancelled, started again, hidden. */
export async function checkHeat(context, address, photo) {
  const page = await open(context, address);
  await judge(page, [photo], "face");
  const button = page.locator(".heat button").first();
  const live = () => page.textContent("#live");
  await button.focus();
  await page.keyboard.press("Enter");
  check("the heat map can be cancelled", (await button.textContent()) === "Cancel");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /Cancelled/.test(document.querySelector("#live").textContent));
  check("and nothing is shown then", (await page.locator(".heat figure").count()) === 0);
  const started = Date.now();
  await page.keyboard.press("Enter");
  await page.waitForSelector(".heat canvas");
  const took = Date.now() - started;
  check("a screen reader hears what matters", /covering/.test(await live()), `${await live()} (${took} ms)`);
  check("it is no proof", /no proof/.test(await page.textContent(".heat figcaption")));
  const colours = await page.$eval(".heat canvas", (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, place) => place % 4 === 0 && value !== data[place + 2]).length;
  });
  // a bundle that has hardly been trained may give every picture the same LLR
  const nothing = /No part matters/.test(await live());
  check("it has colours where something matters", nothing || colours > 50, `${colours} pixels`);
  await page.focus("#threshold");
  await page.keyboard.press("ArrowLeft");
  check("it stays while the threshold changes", await page.isVisible(".heat canvas"));
  await button.focus();
  await page.keyboard.press("Space");
  check("it can be hidden", await page.isHidden(".heat canvas"));
  await page.close();
}

/** The saved picture: its size, the photograph in it, and the box around the chosen face. */
export async function checkPicture(context, address, photo, size) {
  const page = await open(context, address);
  const { results } = await judge(page, [photo], "face");
  const path = await save(page, page.locator(".verdict button", { hasText: "picture" }));
  const content = readFileSync(path).toString("base64");
  const seen = await page.evaluate(async ([data, box, wide]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const scale = bitmap.width / wide;
    const pick = (x, y) => [...context.getImageData(Math.round(x), Math.round(y), 1, 1).data];
    const image = document.querySelector(".photo img");
    const small = (source, ...from) => {
      const canvas = new OffscreenCanvas(8, 8).getContext("2d");
      canvas.drawImage(source, ...from, 0, 0, 8, 8);
      return [...canvas.getImageData(0, 0, 8, 8).data];
    };
    const high = Math.round(image.naturalHeight * scale);
    const [one, other] = [
      small(bitmap, 0, 0, bitmap.width, high),
      small(image, 0, 0, image.naturalWidth, image.naturalHeight),
    ];
    return {
      width: bitmap.width,
      below: bitmap.height - high,
      edge: pick(box[0] * scale, ((box[1] + box[3]) / 2) * scale),
      paper: pick(4, bitmap.height - 4),
      apart: one.reduce((sum, value, place) => sum + Math.abs(value - other[place]), 0) / one.length,
    };
  }, [content, results[0].box, size]);
  const marks = { real: [127, 224, 168], fake: [255, 157, 148], inconclusive: [255, 210, 122] };
  const mark = marks[results[0].verdict];
  check("the picture has the photograph and words under it", seen.width === 1000 && seen.below > 200, JSON.stringify(seen));
  check("the box has the answer's colour", mark.every((value, place) => Math.abs(value - seen.edge[place]) < 3));
  check("the photograph is that of the page", seen.apart < 25 && seen.paper.every((value) => value === 255));
  await page.close();
}
