/**
 * Another player on the same URL: a page with nothing but Shaka, as it comes, in place of the signal's own page.
 * It keeps the same record of errors, so that the probe reads both.
 *
 * @import { Page } from "playwright-core"
 */
import { createRequire } from "node:module";

const LIBRARY = createRequire(import.meta.url).resolve("shaka-player/dist/shaka-player.compiled.js");
const PAGE = "<!doctype html><title>Shaka</title><video muted width=640></video>";

/**
 * Opens `url`, a signal's page, with Shaka on it, which then loads the playlist beside it.
 * @param {Page} page @param {string} url @param {number} startMs
 */
export async function openWithShaka(page, url, startMs) {
  await page.route((asked) => asked.href === url, (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
  await page.goto(url, { timeout: startMs, waitUntil: "load" });
  await page.addScriptTag({ path: LIBRARY });
  await page.evaluate(playWithShaka);
}

/** Runs inside the page. */
async function playWithShaka() {
  const MOST = 1_000;
  const { shaka } = /** @type {any} */ (window);
  const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
  const state = { errors: /** @type {object[]} */ ([]), errorCount: 0, latency: /** @type {number | null} */ (null) };
  Object.assign(window, { airtight: state });
  /** @param {{ code: number, severity: number, message: string }} error */
  const record = ({ code, severity, message }) => {
    state.errorCount += 1;
    state.errors.push({ at: performance.now(), details: `shaka ${code}`, fatal: severity === 2, reason: message });
    state.errors.splice(0, state.errors.length - MOST);
  };
  const player = new shaka.Player();
  await player.attach(video);
  player.addEventListener("error", (/** @type {any} */ event) => record(event.detail));
  setInterval(() => {
    const shown = player.getPlayheadTimeAsDate()?.getTime();
    state.latency = shown === undefined ? null : (Date.now() - shown) / 1_000;
  }, 100);
  await player.load("playlist.m3u8").catch(record);
  await video.play();
}
