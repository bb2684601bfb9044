/** Debian's Chromium, and the processes that the browser test needs beside it. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
// A test machine may have much else to do.
export const LONGEST_MS = 240_000;
const python = process.env.PYTHON ?? "python";
// Without a fake device there is no camera; the others keep the browser from calling home.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

export const hasChromium = () => existsSync(PROGRAM);

export async function launch(options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "gazeclip-web-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: PROGRAM,
    headless: true,
    args: FLAGS,
    ...options,
  });
  context.setDefaultTimeout(LONGEST_MS);
  return context;
}

/** Runs Python from the repository's root; its standard output, whatever the exit code. */
export function askPython(root, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (part) => (said += part));
    child.on("error", reject);
    child.on("close", () => resolve(said));
  });
}

/** `gazeclip app` on a free port. */
export function servePage(root) {
  return new Promise((resolve, reject) => {
    const args = ["-m", "runtimes", "app", "--port", "0"];
    const child = spawn(python, args, { cwd: root, stdio: ["ignore", "inherit", "pipe"] });
    let said = "";
    const closed = new Promise((done) => child.once("close", done));
    const end = () => child.kill() && closed;
    child.on("close", () => reject(new Error(said)));
    child.stderr.on("data", (part) => {
      said += part;
      const found = /listening on (http:\S+)/.exec(said);
      if (found) resolve({ address: found[1], end });
    });
  });
}
