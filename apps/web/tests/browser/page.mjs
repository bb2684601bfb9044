/** What all browser tests do with the page, and what they found. */
import { readFileSync } from "node:fs";

export const faults = [];

export function check(what, held, detail = "") {
  console.log(`${held ? "ok  " : "FAIL"} ${what} ${detail}`);
  if (!held) faults.push(what);
}

/** One bundle and one thread, so that nothing is measured first. */
export const FIRST = "?threads=1";

export async function open(context, address, query = FIRST) {
  const page = await context.newPage();
  page.on("pageerror", (error) => check("no error in the page", false, error.message));
  page.on("console", (line) => {
    if (line.type() === "error") check("no error on the console", false, line.text());
  });
  await page.goto(address + query);
  await settle(page);
  return page;
}

export const settle = (page) =>
  page.waitForSelector(".state.ready, .state.refused");

/** The cards of some pictures, and what the page saves of them. */
export async function judge(page, paths, kind) {
  await page.selectOption("#kind", kind);
  await page.setInputFiles("#files", paths);
  const all = (count) => document.querySelectorAll(".card").length === count;
  await page.waitForFunction(all, paths.length);
  return JSON.parse(readFileSync(await save(page, page.locator("#save")), "utf8"));
}

/** Presses a button that saves a file; the file's path. */
export async function save(page, button) {
  const download = page.waitForEvent("download");
  await button.click();
  return (await download).path();
}
