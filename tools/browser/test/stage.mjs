/** A browser and a stream whose server fails on demand, for the tests of one file. */
import { after, before, beforeEach } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { START, report } from "../report.mjs";
import { Tab, launch } from "../tabs.mjs";
import { Site } from "./site.mjs";

const CODE = { rate: 25, modulus: 65_536 };
const START_MS = 30_000;

/** @type {Site} */
export let site;
/** @type {Awaited<ReturnType<typeof launch>>} */
export let browser;

before(async () => {
  site = await Site.start();
  browser = await launch([site.url]);
});
after(async () => {
  await browser.close();
  await site.stop();
});
beforeEach(() => site.reset());

/** Opens the page. @param {string} [query] */
export function open(query = "") {
  return Tab.open(browser, `${site.url}${query}`, START_MS);
}

/** Plays the page for `seconds` while `fault` happens. @param {number} seconds @param {() => Promise<void>} [fault] */
export async function watch(seconds, fault = async () => undefined) {
  const tab = await open();
  await Promise.all([pause(seconds * 1_000), fault()]);
  await tab.collect();
  const state = await pageState(tab.page);
  await tab.close();
  return { ...report(tab, START, CODE), state };
}

/** @param {import("playwright-core").Page} page @returns {Promise<any>} */
export function pageState(page) {
  return page.evaluate(() => /** @type {any} */ (window).airtight);
}

/** Waits until the page's state satisfies `holds`. @param {import("playwright-core").Page} page @param {string} status */
export function statusIs(page, status) {
  const holds = (/** @type {string} */ wanted) => /** @type {any} */ (window).airtight.status === wanted;
  return page.waitForFunction(holds, status, { timeout: START_MS, polling: 50 });
}
