import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { lives } from "../system.mjs";

/** A system that is on record and never plays; `down` ends it, and waits for its end as the true one does. */
const PROGRAM = `#!/bin/sh
run=\${2#--run-dir=}
case $1 in
up)
    mkdir -p "$run"
    read -r stat <"/proc/$$/stat"
    set -- $stat
    echo "{\\"process\\":{\\"pid\\":$$,\\"start\\":\${22}},\\"ports\\":[]}" >"$run/up.json"
    exec sleep 600
    ;;
down)
    pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' "$run/up.json")
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
    ;;
esac
`;

/** The supervisor that is on record below a folder. @param {string} folder */
async function supervisor(folder) {
  for (;;) {
    try {
      const [system] = await readdir(folder);
      return JSON.parse(await readFile(join(folder, String(system), "run", "up.json"), "utf8")).process;
    } catch {
      await pause(20);
    }
  }
}

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  test(`${signal} leaves nothing of the system`, { timeout: 30_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "airtight-rehearse-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const [program, below] = [join(folder, "airtight"), join(folder, "systems")];
    await writeFile(program, PROGRAM, { mode: 0o700 });
    await mkdir(below);
    const script = join(import.meta.dirname, "..", "rehearse.mjs");
    const rehearse = spawn(process.execPath, [script, "--airtight", program], { env: { ...process.env, TMPDIR: below } });
    const ended = new Promise((resolve) => rehearse.on("exit", resolve));
    const up = await supervisor(below);
    assert.ok(await lives(up));
    rehearse.kill(signal);
    assert.equal(await ended, 130);
    assert.ok(!(await lives(up)));
    assert.deepEqual(await readdir(below), []);
  });
}

test("a process is known by its pid and its start", async () => {
  const stat = await readFile("/proc/self/stat", "utf8");
  const start = Number(stat.slice(stat.lastIndexOf(") ") + 2).split(" ")[19]);
  assert.ok(await lives({ pid: process.pid, start }));
  assert.ok(!(await lives({ pid: process.pid, start: start + 1 })), "its pid was given to another one");
  assert.ok(!(await lives(undefined)));
});
