/**
 * A headless Chromium with one page a URL, each with a probe in it.
 * It plays and collects; it neither judges nor prints.
 *
 * @import { Browser, Page } from "playwright-core"
 * @import { Records } from "./probe.mjs"
 * @import { Bare } from "./bare.mjs"
 */
import { chromium } from "playwright-core";
import { openBare } from "./bare.mjs";
import { installProbe } from "./probe.mjs";

const FLAGS = [
  "--no-sandbox",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--mute-audio",
];
const COLLECT_MS = 1_000;

/** A page that cannot be tested: missing, without a video, or never playing. */
export class PageError extends Error {}

/**
 * Starts Debian's Chromium, or the one that the variable CHROMIUM names. It reaches the
 * hosts of `urls` and no others. An order to end, SIGINT or SIGTERM, ends browser and process, unless the caller
 * sees to it: the browser goes with the process in any case.
 * @param {string[]} urls @param {{ endsOnSignal?: boolean }} [options]
 * @returns {Promise<Browser>}
 */
export function launch(urls, { endsOnSignal = true } = {}) {
  const hosts = new Set(urls.map((url) => new URL(url).hostname));
  const rules = ["MAP * ~NOTFOUND", ...[...hosts].map((host) => `EXCLUDE ${host}`)].join(", ");
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    handleSIGINT: endsOnSignal,
    handleSIGTERM: endsOnSignal,
    args: [...FLAGS, `--host-resolver-rules=${rules}`],
  });
}

export class Tab {
  /** @type {Records} */
  records = { ticks: [], frames: [], errors: [], lost: 0, dropped: 0, decoded: 0, latency: null, height: 0 };
  /** What the page's own console had to say: uncaught exceptions and logged errors. @type {string[]} */
  console = [];
  /** @type {NodeJS.Timeout | undefined} */
  #collecting;
  /** Fetches are one after the other: two at once would mix their records. */
  #turn = Promise.resolve();

  /** @param {string} url @param {Page} page */
  constructor(url, page) {
    this.url = url;
    this.page = page;
    page.on("pageerror", (error) => this.console.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") {
        this.console.push(message.text());
      }
    });
  }

  /**
   * Opens the URL, by its own player or another, waits until its video plays, and begins to record.
   * @param {Browser} browser @param {string} url @param {number} startMs @param {Bare} [bare]
   * @returns {Promise<Tab>}
   */
  static async open(browser, url, startMs, bare) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const tab = new Tab(url, page);
    await (bare === undefined ? tab.#goto(startMs) : openBare(page, url, startMs, bare));
    await tab.#playing(startMs);
    await page.evaluate(installProbe);
    tab.#collecting = setInterval(() => void tab.collect().catch(() => undefined), COLLECT_MS);
    return tab;
  }

  /** @param {number} startMs */
  async #goto(startMs) {
    const { page, url } = this;
    const answer = await page.goto(url, { timeout: startMs, waitUntil: "load" }).catch((error) => {
      throw new PageError(`${url} does not open: ${String(error.message).split("\n")[0]}`);
    });
    if (answer !== null && !answer.ok()) {
      throw new PageError(`${url} answers ${answer.status()}.`);
    }
  }

  /** @param {number} startMs */
  async #playing(startMs) {
    const moving = () => {
      const video = document.querySelector("video");
      return video !== null && !video.paused && video.readyState >= 3 && video.currentTime > 0;
    };
    await this.page.waitForFunction(moving, undefined, { timeout: startMs, polling: 50 }).catch(async () => {
      const state = await this.page.evaluate(() => JSON.stringify(/** @type {any} */ (window).airtight ?? null));
      throw new PageError(`${this.url} did not begin to play within ${startMs} ms; its state: ${state}`);
    });
  }

  /** Fetches what the probe recorded since the last time. */
  collect() {
    this.#turn = this.#turn.then(async () => {
      const { ticks, frames, errors, lost, ...now } = await this.page.evaluate(
        () => /** @type {any} */ (window).probe.take(),
      );
      const { records } = this;
      records.ticks.push(...ticks);
      records.frames.push(...frames);
      records.errors.push(...errors);
      Object.assign(records, now, { lost: records.lost + lost });
    });
    return this.#turn;
  }

  /** @param {string} path PNG */
  async screenshot(path) {
    await this.page.screenshot({ path });
  }

  async close() {
    clearInterval(this.#collecting);
    await this.page.close();
  }
}
