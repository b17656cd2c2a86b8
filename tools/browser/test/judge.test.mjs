import assert from "node:assert/strict";
import { test } from "node:test";
import { frameFaults, jumps, longestGap, stalls, unseen } from "../judge.mjs";

/** Looks every 50 ms at a clock that reads `times`. @param {number[]} times @param {boolean} [wanted] */
const looks = (times, wanted = true) => times.map((time, i) => ({ now: 1_000 + i * 50, time, ahead: 5, wanted }));
/** @param {[number, number | null][]} list media time and code */
const shown = (list) => list.map(([mediaTime, code], i) => ({ now: i, mediaTime, presented: i + 1, code }));
const steady = Array.from({ length: 40 }, (_, i) => i * 0.05);

test("a clock that moves with the wall shows nothing", () => {
  assert.deepEqual(stalls(looks(steady)), { count: 0, totalMs: 0, longestMs: 0 });
  assert.deepEqual(jumps(looks(steady)), []);
  assert.equal(longestGap(looks(steady)), 50);
});

test("each standstill of 250 ms or longer is a stall, at the end too", () => {
  const still = (/** @type {number} */ at, /** @type {number} */ looks) => Array(looks).fill(at);
  const ticks = looks([0, 0.05, ...still(0.05, 4), 0.1, ...still(0.1, 6), 0.15, ...still(0.15, 5)]);
  assert.deepEqual(stalls(ticks), { count: 2, totalMs: 300 + 250, longestMs: 300 });
});

test("a paused video and a gap in the looks are no stall", () => {
  assert.equal(stalls(looks(Array(20).fill(1), false)).count, 0);
  const [before, after] = [looks([0, 0.05]), looks([1.05, 1.1]).map((tick) => ({ ...tick, now: tick.now + 1_000 }))];
  assert.equal(stalls([...before, ...after]).count, 0);
  assert.equal(longestGap([...before, ...after]), 950);
});

test("a clock that goes back or leaps is a jump", () => {
  assert.deepEqual(jumps(looks([0, 0.05, 2.05, 2.1, 1.0])).map(({ from, to }) => [from, to]), [
    [0.05, 2.05],
    [2.1, 1.0],
  ]);
});

test("codes that follow the media time are fine, across frames unread and the wrap", () => {
  assert.deepEqual(frameFaults(shown([[1, 65_534], [1.04, 65_535], [1.08, null], [1.12, 1], [1.16, 2]]), 25, 65_536), []);
  assert.deepEqual(frameFaults(shown([[9.96, 749], [10, 0]]), 25, 750), []);
});

test("a frame lost, repeated or out of turn is told", () => {
  const faults = frameFaults(shown([[0, 10], [0.04, 12], [0.08, 12], [0.12, 5]]), 25, 65_536);
  assert.deepEqual(faults.map(({ from, to, expected }) => [from, to, expected]), [
    [10, 12, 1],
    [12, 12, 1],
    [12, 5, 1],
  ]);
});

test("frames that were shown but not told of are counted", () => {
  const frames = [1, 2, 5, 6].map((presented) => ({ now: 0, mediaTime: 0, presented, code: 0 }));
  assert.equal(unseen(frames), 2);
});
