/** The page and the tool that plays it, in a real browser. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { browser, open, pageState, site, statusIs, watch } from "./stage.mjs";

const PLAY = fileURLToPath(new URL("../play.mjs", import.meta.url));

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
  const tab = await open();
  site.ended = true;
  await statusIs(tab.page, "ended");
  assert.equal((await pageState(tab.page)).errorCount, 0);
  await tab.close();
});

test("the unmute button unmutes and goes away", async () => {
  const tab = await open();
  await tab.page.click("#unmute");
  await tab.page.waitForFunction(() => !(/** @type {any} */ (window).airtight.muted));
  await tab.page.waitForSelector("#unmute", { state: "hidden" });
  await tab.close();
});

test("?defaults plays with the defaults of hls.js", async () => {
  const tab = await open("?defaults");
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
