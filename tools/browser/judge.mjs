/**
 * Judges what a probe recorded. Pure: records in, findings out.
 *
 * @import { Tick, Frame } from "./probe.mjs"
 *
 * @typedef {{ count: number, totalMs: number, longestMs: number }} Stalls
 * @typedef {{ at: number, from: number, to: number }} Jump
 * @typedef {{ mediaTime: number, from: number, to: number, expected: number }} FrameFault
 */

/** Shorter standstills are the granularity of the media clock. */
const STALL_MS = 250;
/** The media clock may differ from the wall by this much between two looks. */
const JUMP_S = 0.25;

/**
 * Times in which the video was meant to play and its clock stood still.
 * @param {Tick[]} ticks
 * @returns {Stalls}
 */
export function stalls(ticks) {
  const found = { count: 0, totalMs: 0, longestMs: 0 };
  let movedAt = 0;
  let stillAt = 0;
  const close = () => {
    const standstill = stillAt - movedAt;
    if (standstill >= STALL_MS) {
      found.count += 1;
      found.totalMs += standstill;
      found.longestMs = Math.max(found.longestMs, standstill);
    }
  };
  ticks.forEach((tick, i) => {
    if (tick.time !== ticks[i - 1]?.time || !tick.wanted) {
      close();
      movedAt = tick.now;
    }
    stillAt = tick.now;
  });
  close();
  return found;
}

/**
 * Places where the media clock went back, or ahead of the wall.
 * @param {Tick[]} ticks
 * @returns {Jump[]}
 */
export function jumps(ticks) {
  return ticks.flatMap((tick, i) => {
    const before = ticks[i - 1];
    if (before === undefined) {
      return [];
    }
    const moved = tick.time - before.time;
    const passed = (tick.now - before.now) / 1_000;
    const jumped = moved < 0 || moved > passed * 1.1 + JUMP_S;
    return jumped ? [{ at: tick.now, from: before.time, to: tick.time }] : [];
  });
}

/**
 * The longest time between two looks, ms: long ones mean that this machine stood still.
 * @param {Tick[]} ticks
 */
export function longestGap(ticks) {
  return ticks.reduce((longest, tick, i) => Math.max(longest, tick.now - (ticks[i - 1]?.now ?? tick.now)), 0);
}

/**
 * Neighbouring frames whose codes do not differ by the media time between them: a frame
 * of the programme was lost, repeated or shown at the wrong time. Frames without a code
 * are left out, and so are those that the browser showed without telling.
 * @param {Frame[]} frames @param {number} rate frames per second @param {number} modulus
 * @returns {FrameFault[]}
 */
export function frameFaults(frames, rate, modulus) {
  const coded = frames.filter((frame) => frame.code !== null);
  return coded.flatMap((frame, i) => {
    const before = coded[i - 1];
    if (before === undefined) {
      return [];
    }
    const [from, to] = [before.code ?? 0, frame.code ?? 0];
    const expected = Math.round((frame.mediaTime - before.mediaTime) * rate);
    const differs = mod(to - from - expected, modulus) !== 0;
    return differs ? [{ mediaTime: frame.mediaTime, from, to, expected }] : [];
  });
}

/**
 * Frames that were shown between two that the browser told of.
 * @param {Frame[]} frames
 */
export function unseen(frames) {
  return frames.reduce((sum, frame, i) => sum + Math.max(0, frame.presented - (frames[i - 1]?.presented ?? frame.presented - 1) - 1), 0);
}

/** @param {number} value @param {number} modulus */
function mod(value, modulus) {
  return ((value % modulus) + modulus) % modulus;
}
