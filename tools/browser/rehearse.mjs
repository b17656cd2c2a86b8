#!/usr/bin/env node
/**
 * Three players on both origins of a system of its own, while each of its components is killed and stopped in turn and
 * all of it is upgraded: hls.js as it comes, hls.js with room for two segments, Shaka as it comes.
 *
 *   rehearse.mjs [--airtight PROGRAM] [--only kill@origin1,freeze@worker-a,upgrade@supervisor]
 *
 * Prints a table in Markdown: of each cell and player how long the picture stood still, and the errors. Exit status: 0
 * if nothing stood still and no error was fatal, else 1; 2 for wrong arguments; 130 if it was told to end, by SIGINT or
 * SIGTERM, which leaves nothing of the system. What is measured while the machine stood still is void, and tried again.
 *
 * @import { Bare } from "./bare.mjs"
 * @import { Report } from "./report.mjs"
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { markOf, report } from "./report.mjs";
import { PARTS, SUPERVISOR, System, SystemError } from "./system.mjs";
import { PageError, Tab, launch } from "./tabs.mjs";

const CODE = { rate: 25, modulus: 65_536 };
const START_MS = 60_000;
/** Longer than a buffer lasts: what a fault costs is seen by then. */
const AFTER_MS = 12_000;
/** A browser that did not look for so long has proven nothing. */
const STANDSTILL_MS = 300;
const ATTEMPTS = 3;

/** @type {Record<string, Bare>} */
const PLAYERS = {
  "hls.js": { library: "hls.js", config: {} },
  "hls.js, 4 s": { library: "hls.js", config: { maxBufferLength: 4, maxMaxBufferLength: 4 } },
  Shaka: { library: "shaka", config: {} },
};
const ORIGINS = ["origin1", "origin2"];
const COMPONENTS = [...PARTS, SUPERVISOR];
const CELLS = [...COMPONENTS.map((name) => `kill@${name}`), ...COMPONENTS.map((name) => `freeze@${name}`), `upgrade@${SUPERVISOR}`];

/** @typedef {{ name: string, tab: Tab }} Viewer */

class UsageError extends Error {}

/** An order to end. */
class Interrupted extends Error {}
const INTERRUPTED = 130;

function options() {
  const { values } = parseArgs({
    options: { airtight: { type: "string", default: "target/release/airtight" }, only: { type: "string", default: CELLS.join(",") } },
  });
  const cells = values.only.split(",");
  const unknown = cells.filter((cell) => !CELLS.includes(cell));
  if (unknown.length > 0) {
    throw new UsageError(`--only has '${unknown.join(",")}', expected some of ${CELLS.join(", ")}.`);
  }
  return { program: values.airtight, cells };
}

/** @param {System} system @param {string} cell */
async function strike(system, cell) {
  const [fault, name] = /** @type {[string, string]} */ (cell.split("@"));
  await (fault === "upgrade" ? system.upgrade() : system.strike(name, fault === "kill" ? "SIGKILL" : "SIGSTOP"));
}

/** What each viewer saw of a cell. @param {System} system @param {Viewer[]} viewers @param {string} cell */
async function watch(system, viewers, cell) {
  const since = viewers.map(({ tab }) => markOf(tab.records));
  await strike(system, cell);
  await pause(AFTER_MS);
  await Promise.all(viewers.map(({ tab }) => tab.collect()));
  return viewers.map(({ tab }, i) => report(tab, /** @type {import("./report.mjs").Mark} */ (since[i]), CODE));
}

/** @param {Report} seen */
function isFlawed(seen) {
  return seen.stallMs > 0 || seen.fatal > 0 || seen.advanced <= 0;
}

/** @param {Report} seen */
function inWords(seen) {
  const errors = seen.errors.length === 0 ? "" : `, ${seen.errors.length} retried`;
  const fatal = seen.fatal === 0 ? "" : `, **${seen.fatal} fatal**: ${seen.errors.find(({ fatal }) => fatal)?.details}`;
  return `${seen.stallMs === 0 ? "0" : `**${seen.stallMs}**`} ms, ${seen.smallestBuffer.toFixed(1)} s${errors}${fatal}`;
}

/** @param {System} system @param {Viewer[]} viewers @param {string[]} cells */
async function rehearse(system, viewers, cells) {
  print(`| of each: stall, smallest buffer | ${viewers.map(({ name }) => name).join(" | ")} |`);
  print(`|---|${"---|".repeat(viewers.length)}`);
  let flawed = 0;
  for (const cell of cells) {
    for (let attempt = 1; ; attempt += 1) {
      const seen = await watch(system, viewers, cell);
      const standstill = Math.max(...seen.map(({ gapMs }) => gapMs));
      const isVoid = seen.some(isFlawed) && standstill >= STANDSTILL_MS;
      if (isVoid && attempt < ATTEMPTS) {
        process.stderr.write(`rehearse: ${cell} is void, the browser stood still for ${standstill} ms\n`);
        continue;
      }
      flawed += Number(seen.some(isFlawed));
      print(`| \`${cell}\`${isVoid ? " void" : ""} | ${seen.map(inWords).join(" | ")} |`);
      break;
    }
  }
  return flawed;
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/** Starts the system, plays it and breaks it; how many cells had a flaw. @param {System} system @param {string[]} cells */
async function play(system, cells) {
  await system.start();
  const pages = await Promise.all(ORIGINS.map((origin) => system.page(origin)));
  const browser = await launch(pages, { endsOnSignal: false });
  try {
    const opened = Object.entries(PLAYERS).flatMap(([player, bare]) =>
      pages.map(async (page, i) => ({ name: `${player}, ${ORIGINS[i]}`, tab: await Tab.open(browser, page, START_MS, bare) })),
    );
    const viewers = await Promise.all(opened);
    // Until their buffers are full.
    await pause(AFTER_MS);
    await Promise.all(viewers.map(({ tab }) => tab.collect()));
    const flawed = await rehearse(system, viewers, cells);
    await Promise.all(viewers.map(({ tab }) => tab.close()));
    return flawed;
  } finally {
    await browser.close();
  }
}

/** Fails once the process is told to end. @returns {Promise<never>} */
function interruption() {
  return new Promise((_, reject) => {
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
      process.on(signal, () => reject(new Interrupted(`told to end by ${signal}`)));
    }
  });
}

async function main() {
  const { program, cells } = options();
  const interrupted = interruption();
  // It may come while nobody waits for it.
  interrupted.catch(() => undefined);
  const system = await System.make(program);
  try {
    process.exitCode = Number((await Promise.race([interrupted, play(system, cells)])) > 0);
  } finally {
    await system.end();
  }
}

try {
  await main();
} catch (error) {
  const wrong = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  const known = wrong || [PageError, SystemError, Interrupted].some((kind) => error instanceof kind);
  process.stderr.write(`rehearse: ${known ? /** @type {Error} */ (error).message : /** @type {any} */ (error)?.stack}\n`);
  process.exitCode = wrong ? 2 : 1;
  if (error instanceof Interrupted) {
    // What was under way is not waited for.
    process.exit(INTERRUPTED);
  }
}
