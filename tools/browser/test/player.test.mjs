/** The page and the tool that plays it, in a real browser, on a stream whose server fails on demand. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { START, report } from "../report.mjs";
import { Tab, launch } from "../tabs.mjs";
import { Site } from "./site.mjs";

const PLAY = fileURLToPath(new URL("../play.mjs", import.meta.url));
const CODE = { rate: 25, modulus: 65_536 };
const START_MS = 30_000;

/** @type {Site} */
let site;
/** @type {Awaited<ReturnType<typeof launch>>} */
let browser;

before(async () => {
  site = await Site.start();
  browser = await launch([site.url]);
});
after(async () => {
  await browser.close();
  await site.stop();
});
beforeEach(() => site.reset());

/** Plays the page for `seconds` while `fault` happens. @param {number} seconds @param {() => Promise<void>} [fault] */
async function watch(seconds, fault = async () => undefined) {
  const tab = await Tab.open(browser, site.url, START_MS);
  await Promise.all([pause(seconds * 1_000), fault()]);
  await tab.collect();
  const state = await pageState(tab.page);
  await tab.close();
  return { ...report(tab, START, CODE), state };
}

/** @param {import("playwright-core").Page} page @returns {Promise<any>} */
function pageState(page) {
  return page.evaluate(() => /** @type {any} */ (window).airtight);
}

/** Waits until the page's state satisfies `holds`. @param {import("playwright-core").Page} page @param {string} status */
function statusIs(page, status) {
  const holds = (/** @type {string} */ wanted) => /** @type {any} */ (window).airtight.status === wanted;
  return page.waitForFunction(holds, status, { timeout: START_MS, polling: 50 });
}

test("a live stream plays without a stall or an error, every frame in its place", async () => {
  const seen = await watch(8);
  assert.deepEqual([seen.stalls, seen.errors, seen.jumps, seen.console, seen.frameFaults], [0, [], [], [], []]);
  assert.ok(Math.abs(seen.advanced - seen.seconds) < 0.5, `advanced ${seen.advanced} s in ${seen.seconds} s`);
  assert.ok(seen.codes > 8 * 25 * 0.5, `read ${seen.codes} codes`);
  assert.equal(seen.state.engine, "hls.js");
  assert.equal(seen.state.status, "playing");
  assert.ok(seen.state.latency > 2 && seen.state.latency < 12, `latency ${seen.state.latency} s`);
});

for (const [fault, does] of /** @type {["refuse" | "freeze" | "unavailable", string][]} */ ([
  ["refuse", "refuses everybody"],
  ["freeze", "freezes"],
  ["unavailable", "answers everybody with 503"],
])) {
  test(`a server that ${does} for 2 s costs neither a stall nor a restart`, async () => {
    const seen = await watch(8, async () => {
      site.fault = fault;
      await pause(2_000);
      site.fault = null;
    });
    assert.deepEqual([seen.stalls, seen.fatal, seen.state.restarts, seen.frameFaults], [0, 0, 0, []]);
  });
}

test("a stream that is not on air yet starts by itself", async () => {
  site.fault = "unavailable";
  const page = await browser.newPage();
  await page.goto(site.url);
  await statusIs(page, "waiting");
  site.fault = null;
  await statusIs(page, "playing");
  assert.equal((await pageState(page)).restarts, 0);
  await page.close();
});

test("a stall is seen by the tool and by the page", async () => {
  const seen = await watch(14, async () => {
    site.fault = "freeze";
    await pause(11_000);
    site.fault = null;
  });
  assert.ok(seen.stalls >= 1 && seen.stallMs > 500, JSON.stringify({ ...seen, frames: [] }));
  assert.ok(seen.state.stalls >= 1);
});

test("the end of the event ends playback", async () => {
  const tab = await Tab.open(browser, site.url, START_MS);
  site.ended = true;
  await statusIs(tab.page, "ended");
  assert.equal((await pageState(tab.page)).errorCount, 0);
  await tab.close();
});

test("the unmute button unmutes and goes away", async () => {
  const tab = await Tab.open(browser, site.url, START_MS);
  await tab.page.click("#unmute");
  await tab.page.waitForFunction(() => !(/** @type {any} */ (window).airtight.muted));
  await tab.page.waitForSelector("#unmute", { state: "hidden" });
  await tab.close();
});

test("?defaults plays with the defaults of hls.js", async () => {
  const tab = await Tab.open(browser, `${site.url}?defaults`, START_MS);
  assert.equal((await pageState(tab.page)).defaults, true);
  await tab.close();
});

test("the program plays until told, and reports on request", async () => {
  const child = spawn(process.execPath, [PLAY, "--interactive", site.url], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  assert.deepEqual(await next(), { event: "playing", url: site.url });
  await pause(1_500);
  child.stdin.write("mark before\n");
  const mark = await next();
  assert.deepEqual([mark.event, mark.label, mark.stalls], ["mark", "before", 0]);
  assert.ok(mark.advanced > 0.5, `advanced ${mark.advanced} s`);
  child.stdin.write("stop\n");
  const end = await next();
  assert.equal(end.event, "end");
  assert.ok(end.seconds >= mark.seconds);
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("a missing page and wrong arguments fail with one sentence", async () => {
  for (const [args, status, said] of /** @type {[string[], number, RegExp][]} */ ([
    [[new URL("/nothing/", site.url).href], 1, /answers 404/],
    [["http://127.0.0.1:1/live01/"], 1, /does not open/],
    [["--seconds", "none", site.url], 2, /--seconds none/],
    [[], 2, /at least one URL/],
  ])) {
    const child = spawn(process.execPath, [PLAY, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    const [text, [code]] = await Promise.all([child.stderr.toArray(), once(child, "exit")]);
    assert.match(text.join(""), said);
    assert.equal(code, status);
  }
});
