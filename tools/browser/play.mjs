#!/usr/bin/env node
/**
 * Plays pages in a headless browser and prints what a viewer would have seen: one line of
 * JSON a URL (the shape is `Report` in report.mjs).
 *
 * With `--interactive` it plays until told: `mark [label]` on stdin reports the time since
 * the mark before, `stop` (or the end of stdin) all of it. Each line then begins with
 * `event`: `playing` once a page plays, `mark` (with its `label`), `end`.
 *
 * With `--shaka` the URLs, of signals' pages, are played by Shaka Player as it comes.
 *
 * Exit status: 0, whatever was seen; 1 if a page is missing or never plays; 2 for wrong arguments.
 *
 * @import { Browser } from "playwright-core"
 * @import { Bare } from "./bare.mjs"
 * @import { Mark } from "./report.mjs"
 */
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { START, markOf, report } from "./report.mjs";
import { PageError, Tab, launch } from "./tabs.mjs";

const USAGE = `usage: play.mjs [--seconds N | --interactive] [--start-timeout SECONDS] [--shaka]
                [--screenshot FILE.png] [--rate FPS] [--modulus N] URL…`;

/** @typedef {{ urls: string[], seconds: number, interactive: boolean, startMs: number, shaka: boolean, screenshot?: string,
 *   code: { rate: number, modulus: number } }} Options */

/** @type {Bare} */
const SHAKA = { library: "shaka", config: {} };

class UsageError extends Error {}

/** @param {string[]} args @returns {Options} */
function options(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "30" },
      interactive: { type: "boolean", default: false },
      "start-timeout": { type: "string", default: "30" },
      shaka: { type: "boolean", default: false },
      screenshot: { type: "string" },
      rate: { type: "string", default: "25" },
      modulus: { type: "string", default: "65536" },
    },
  });
  /** @param {"seconds" | "start-timeout" | "rate" | "modulus"} name */
  const number = (name) => {
    const value = Number(values[name]);
    if (!(value > 0)) {
      throw new UsageError(`--${name} ${values[name]}: a number above 0 is needed.`);
    }
    return value;
  };
  if (positionals.length === 0 || !positionals.every((url) => URL.canParse(url))) {
    throw new UsageError(`give at least one URL; got: ${positionals.join(" ") || "none"}.`);
  }
  return {
    urls: positionals,
    seconds: number("seconds"),
    interactive: values.interactive,
    startMs: number("start-timeout") * 1_000,
    shaka: values.shaka,
    ...(values.screenshot === undefined ? {} : { screenshot: values.screenshot }),
    code: { rate: number("rate"), modulus: number("modulus") },
  };
}

/** @param {object} line */
function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** @param {Tab[]} tabs @param {Options} chosen */
async function playFor(tabs, { seconds, code }) {
  await pause(seconds * 1_000);
  await Promise.all(tabs.map((tab) => tab.collect()));
  tabs.forEach((tab) => print(report(tab, START, code)));
}

/** @param {Tab[]} tabs @param {Options} chosen */
async function playUntilTold(tabs, { code }) {
  tabs.forEach(({ url }) => print({ event: "playing", url }));
  /** @type {Mark[]} */
  let since = tabs.map(() => START);
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...rest] = line.trim().split(" ");
    if (command === "stop") {
      break;
    }
    if (command !== "mark") {
      process.stderr.write(`play: no command '${line}': mark or stop.\n`);
      continue;
    }
    await Promise.all(tabs.map((tab) => tab.collect()));
    tabs.forEach((tab, i) => print({ event: "mark", label: rest.join(" "), ...report(tab, since[i] ?? START, code) }));
    since = tabs.map((tab) => markOf(tab.records));
  }
  // An open stdin would keep this process alive.
  process.stdin.destroy();
  await Promise.all(tabs.map((tab) => tab.collect()));
  tabs.forEach((tab) => print({ event: "end", ...report(tab, START, code) }));
}

/** `out.png`, and `out-2.png` for the second page. @param {string} path @param {number} i */
function numbered(path, i) {
  return i === 0 ? path : path.replace(/(\.\w+)?$/, `-${i + 1}$1`);
}

/** @param {Browser} browser @param {Options} chosen */
async function play(browser, chosen) {
  const tabs = await Promise.all(chosen.urls.map((url) => Tab.open(browser, url, chosen.startMs, chosen.shaka ? SHAKA : undefined)));
  await (chosen.interactive ? playUntilTold(tabs, chosen) : playFor(tabs, chosen));
  const { screenshot } = chosen;
  if (screenshot !== undefined) {
    await Promise.all(tabs.map((tab, i) => tab.screenshot(numbered(screenshot, i))));
  }
  await Promise.all(tabs.map((tab) => tab.close()));
}

async function main() {
  const chosen = options(process.argv.slice(2));
  const browser = await launch(chosen.urls);
  try {
    await play(browser, chosen);
  } finally {
    await browser.close();
  }
}

try {
  await main();
} catch (error) {
  const wrong = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  const known = wrong || error instanceof PageError;
  const text = known ? /** @type {Error} */ (error).message : /** @type {any} */ (error)?.stack;
  process.stderr.write(`play: ${text}\n${wrong ? `${USAGE}\n` : ""}`);
  process.exitCode = wrong ? 2 : 1;
}
