/** What a page shows of a stream whose server fails for a moment, in a real browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { site, watch } from "./stage.mjs";

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
