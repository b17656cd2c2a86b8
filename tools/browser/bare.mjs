/**
 * Other players on the same URL: a page with nothing but one library, as it comes, in place of the signal's own page.
 * They keep the same record of errors, so that the probe reads them all.
 *
 * @import { Page } from "playwright-core"
 *
 * @typedef {{ library: "hls.js" | "shaka", config: object }} Bare a library, and its settings beyond its own
 */
import { createRequire } from "node:module";

const { resolve } = createRequire(import.meta.url);
const LIBRARIES = {
  "hls.js": { path: resolve("hls.js/dist/hls.js"), play: playWithHls },
  shaka: { path: resolve("shaka-player/dist/shaka-player.compiled.js"), play: playWithShaka },
};
const PAGE = "<video muted width=640></video>";

/**
 * Opens `url`, a signal's page, with the library on it, which then loads the playlist beside it.
 * @param {Page} page @param {string} url @param {number} startMs @param {Bare} bare
 */
export async function openBare(page, url, startMs, { library, config }) {
  const { path, play } = LIBRARIES[library];
  // The server's own page without its program: one that the test made itself would have no address, and Chromium lets
  // it ask no second server of this machine.
  await page.route("**", (route) => (route.request().resourceType() === "script" ? route.abort() : route.continue()));
  await page.goto(url, { timeout: startMs, waitUntil: "load" });
  await page.unrouteAll();
  await page.setContent(PAGE);
  await page.addScriptTag({ path });
  await page.evaluate(installRecord);
  await page.evaluate(play, config);
}

/** Runs inside the page: where errors and latency are kept. */
function installRecord() {
  const MOST = 1_000;
  const state = { errors: /** @type {object[]} */ ([]), errorCount: 0, latency: /** @type {number | null} */ (null) };
  /** @param {string} details @param {boolean} fatal @param {string} reason */
  const record = (details, fatal, reason) => {
    state.errorCount += 1;
    state.errors.push({ at: performance.now(), details, fatal, reason });
    state.errors.splice(0, state.errors.length - MOST);
  };
  Object.assign(window, { airtight: state, record });
}

/** Runs inside the page. @param {object} config */
async function playWithHls(config) {
  const { Hls, airtight, record } = /** @type {any} */ (window);
  const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
  const hls = new Hls(config);
  hls.on(Hls.Events.ERROR, (/** @type {string} */ _event, /** @type {any} */ data) => {
    record(`hls.js ${data.details}`, data.fatal, data.error?.message ?? data.reason ?? "");
  });
  setInterval(() => {
    const shown = hls.playingDate?.getTime();
    airtight.latency = shown === undefined ? null : (Date.now() - shown) / 1_000;
  }, 100);
  hls.loadSource("playlist.m3u8");
  hls.attachMedia(video);
  await new Promise((parsed) => hls.on(Hls.Events.MANIFEST_PARSED, parsed));
  await video.play();
}

/** Runs inside the page. @param {object} config */
async function playWithShaka(config) {
  const { shaka, airtight, record } = /** @type {any} */ (window);
  const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
  // Of a failed request the data begin with its URL and the fault.
  /** @param {{ code: number, severity: number, message: string, data?: unknown[] }} error */
  const failed = ({ code, severity, message, data = [] }) =>
    record(`shaka ${code}`, severity === 2, [message, ...data.slice(0, 2)].join(" "));
  const player = new shaka.Player();
  player.configure(config);
  await player.attach(video);
  player.addEventListener("error", (/** @type {any} */ event) => failed(event.detail));
  setInterval(() => {
    const shown = player.getPlayheadTimeAsDate()?.getTime();
    airtight.latency = shown === undefined ? null : (Date.now() - shown) / 1_000;
  }, 100);
  await player.load("playlist.m3u8").catch(failed);
  await video.play();
}
