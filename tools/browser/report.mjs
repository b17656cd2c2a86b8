/**
 * The report of a stretch of playback: one object, printed as one line of JSON.
 *
 * @import { Records, PlaybackError } from "./probe.mjs"
 * @import { FrameFault, Jump } from "./judge.mjs"
 *
 * @typedef {{ ticks: number, frames: number, errors: number, dropped: number, decoded: number }} Mark
 *   How much had been recorded at some moment.
 *
 * @typedef {object} Report
 * @property {string} url
 * @property {number} seconds wall time covered
 * @property {number} currentTimeStart @property {number} currentTimeEnd seconds on the media clock
 * @property {number} advanced the difference of the two
 * @property {number} stalls times that the picture stood still for 250 ms or longer
 * @property {number} stallMs all of them together @property {number} longestStallMs
 * @property {Jump[]} jumps places where the media clock did not follow the wall
 * @property {number} smallestBuffer seconds
 * @property {PlaybackError[]} errors what the player reported @property {number} fatal how many were fatal
 * @property {string[]} console errors on the page's console
 * @property {number} dropped @property {number} decoded frames, by the browser's own count
 * @property {number | null} latency seconds behind the wall clock, at the end
 * @property {number} height of the picture, at the end
 * @property {FrameFault[]} frameFaults frames that do not follow from the ones before, by their code
 * @property {number} codes frames that carried a code @property {number} unseen frames shown unread
 * @property {number} gapMs longest time without a look: a long one voids the run
 * @property {{ mediaTime: number, code: number | null }[]} frames
 */
import { frameFaults, jumps, longestGap, stalls, unseen } from "./judge.mjs";

/** @type {Mark} */
export const START = { ticks: 0, frames: 0, errors: 0, dropped: 0, decoded: 0 };

/** @param {Records} records @returns {Mark} */
export function markOf({ ticks, frames, errors, dropped, decoded }) {
  return { ticks: ticks.length, frames: frames.length, errors: errors.length, dropped, decoded };
}

/**
 * @param {{ url: string, records: Records, console: string[] }} tab
 * @param {Mark} since @param {{ rate: number, modulus: number }} code
 * @returns {Report}
 */
export function report({ url, records, console }, since, { rate, modulus }) {
  const ticks = records.ticks.slice(Math.max(0, since.ticks - 1));
  const frames = records.frames.slice(Math.max(0, since.frames - 1));
  const errors = records.errors.slice(since.errors);
  const [first, last] = [ticks[0], ticks.at(-1)];
  const start = first?.time ?? 0;
  const end = last?.time ?? 0;
  const { count, totalMs, longestMs } = stalls(ticks);
  return {
    url,
    seconds: round(((last?.now ?? 0) - (first?.now ?? 0)) / 1_000),
    currentTimeStart: round(start),
    currentTimeEnd: round(end),
    advanced: round(end - start),
    stalls: count,
    stallMs: Math.round(totalMs),
    longestStallMs: Math.round(longestMs),
    jumps: jumps(ticks),
    smallestBuffer: round(Math.min(...ticks.map(({ ahead }) => ahead))),
    errors,
    fatal: errors.filter(({ fatal }) => fatal).length,
    console: [...console],
    dropped: records.dropped - since.dropped,
    decoded: records.decoded - since.decoded,
    latency: records.latency === null ? null : round(records.latency),
    height: records.height,
    frameFaults: frameFaults(frames, rate, modulus),
    codes: frames.filter(({ code }) => code !== null).length,
    unseen: unseen(frames),
    gapMs: Math.round(longestGap(ticks)),
    frames: frames.map(({ mediaTime, code }) => ({ mediaTime: round(mediaTime), code })),
  };
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 1_000) / 1_000;
}
