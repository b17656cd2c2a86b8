/**
 * A system of `airtight up` in a folder of its own, to be broken while browsers watch: who runs, by the records in
 * its run folder, and what can be done to them. It neither plays nor judges.
 */
import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** @typedef {{ pid: number, start: number }} Process */

/** The parts of a system. */
export const PARTS = ["worker-a", "worker-b", "server1", "server2", "discovery", "reporter", "origin1", "origin2"];
export const SUPERVISOR = "supervisor";

const PORTS = ["reporter-port", "server-one-port", "server-two-port", "origin-port", "origin-two-port"];
const WINDOW_S = 12;
const START_MS = 60_000;
const AGAIN_MS = 60_000;
const UPGRADE_MS = 120_000;
const POLL_MS = 100;

/** A system that does not do what it is to do. */
export class SystemError extends Error {}

export class System {
  /** No further supervisor is started. */
  #ending = false;
  /** The start of the last supervisor. @type {Promise<void>} */
  #starting = Promise.resolve();

  /** @param {string} program @param {string} folder */
  constructor(program, folder) {
    this.program = program;
    this.folder = folder;
  }

  /** Makes the folder of one; whoever has it ends it. @param {string} program */
  static async make(program) {
    return new System(program, await mkdtemp(join(tmpdir(), "airtight-players-")));
  }

  /** Starts it and waits until every origin lists some media. */
  async start() {
    await this.supervise([]);
    await until("every origin has a playlist", START_MS, async () => {
      const pages = ["origin1", "origin2"].map(async (origin) => {
        const answer = await fetch(`${await this.page(origin)}360p/playlist.m3u8`);
        return (await answer.text()).split("#EXTINF").length > WINDOW_S / 2;
      });
      return (await Promise.all(pages)).every(Boolean);
    });
  }

  get #run() {
    return join(this.folder, "run");
  }

  /** Starts a supervisor and waits until it is on record. @param {string[]} flags */
  supervise(flags) {
    this.#starting = this.#supervise(flags);
    return this.#starting;
  }

  /** @param {string[]} flags */
  async #supervise(flags) {
    const log = await open(join(this.folder, "up.log"), "a");
    const ports = PORTS.map((key) => `--${key}=0`);
    const args = ["up", `--run-dir=${this.#run}`, "--input=testsrc-small", `--window=${WINDOW_S}`, ...ports, ...flags];
    if (this.#ending) {
      await log.close();
      throw new SystemError("the system ends");
    }
    const up = spawn(this.program, args, { stdio: ["ignore", log.fd, log.fd], detached: true });
    /** @type {string | undefined} */
    let ended;
    up.on("error", (error) => (ended = error.message));
    up.on("exit", (code) => (ended = `exit code ${code}`));
    up.unref();
    await log.close();
    await until("the supervisor is on record", START_MS, async () => {
      if (ended !== undefined) {
        throw new SystemError(`airtight up ended: ${ended}, see ${join(this.folder, "up.log")}`);
      }
      return (await this.process(SUPERVISOR))?.pid === up.pid;
    });
  }

  /** The process of a part or of the supervisor, living or not. @param {string} name @returns {Promise<Process | undefined>} */
  async process(name) {
    const path = name === SUPERVISOR ? "up.json" : join("parts", `${name}.json`);
    const text = await readFile(join(this.#run, path), "utf8").catch(() => undefined);
    const record = text === undefined ? undefined : JSON.parse(text);
    return name === SUPERVISOR ? record?.process : record;
  }

  /** The page of the programme on a part. @param {string} name */
  async page(name) {
    const { ports } = JSON.parse(await readFile(join(this.#run, "up.json"), "utf8"));
    const port = new Map(/** @type {[string, number][]} */ (ports)).get(name);
    return `http://localhost:${port}/live01/`;
  }

  /** Sends a part, or the supervisor, a signal, and waits until another process does its work. @param {string} name @param {NodeJS.Signals} signal */
  async strike(name, signal) {
    const before = await this.process(name);
    if (before === undefined || !(await send(before, signal))) {
      throw new SystemError(`${name} does not run`);
    }
    if (name === SUPERVISOR) {
      await pause(AWAY_MS);
      // One that was stopped goes on; one that was killed has a successor.
      if (signal === "SIGKILL") {
        await this.supervise([]);
      } else if (!(await send(before, "SIGCONT"))) {
        throw new SystemError(`${name} ended while it was stopped`);
      }
      return;
    }
    await until(`another ${name} runs`, AGAIN_MS, async () => {
      const now = await this.process(name);
      return now !== undefined && !isSame(now, before) && lives(now);
    });
  }

  /** Replaces every part, and waits until the last process of before is gone. */
  async upgrade() {
    const before = await Promise.all(PARTS.map((part) => this.process(part)));
    await this.supervise(["--upgrade"]);
    await until("every part is replaced", UPGRADE_MS, async () => {
      const now = await Promise.all(PARTS.map((part) => this.process(part)));
      const isNew = now.every((process) => process && !before.some((old) => old && isSame(old, process)));
      return isNew && !(await Promise.all(before.map(lives))).some(Boolean);
    });
  }

  /** Ends all of it, whatever is under way, and removes its folder. */
  async end() {
    this.#ending = true;
    // One that is not on record yet would not be ended.
    await this.#starting.catch(() => undefined);
    // What is stopped hears no request to end.
    const processes = await Promise.all([...PARTS, SUPERVISOR].map((name) => this.process(name)));
    await Promise.all(processes.map((process) => process && send(process, "SIGCONT")));
    const down = spawn(this.program, ["down", `--run-dir=${this.#run}`], { stdio: "ignore", detached: true });
    await new Promise((ended) => down.on("error", ended).on("exit", ended));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** For so long a supervisor is away. */
const AWAY_MS = 5_000;

/** @param {Process} a @param {Process} b */
function isSame(a, b) {
  return a.pid === b.pid && a.start === b.start;
}

/** Sends a process a signal; whether it was there to have it. @param {Process} to @param {NodeJS.Signals} signal */
async function send(to, signal) {
  return (await lives(to)) && process.kill(to.pid, signal);
}

/** Whether it runs, and not another one that was given its pid since. @param {Process | undefined} process */
export async function lives(process) {
  const stat = process && (await readFile(`/proc/${process.pid}/stat`, "utf8").catch(() => undefined));
  // proc(5): the name is in parentheses and may hold anything; the state follows it, and the start time as field 22.
  const fields = stat?.slice(stat.lastIndexOf(") ") + 2).split(" ");
  return fields !== undefined && !["Z", "X"].includes(fields[0] ?? "") && Number(fields[19]) === process?.start;
}

/** @param {string} what @param {number} limitMs @param {() => Promise<boolean>} holds */
async function until(what, limitMs, holds) {
  const end = Date.now() + limitMs;
  for (;;) {
    try {
      if (await holds()) {
        return;
      }
    } catch (error) {
      if (error instanceof SystemError) {
        throw error;
      }
    }
    if (Date.now() > end) {
      throw new SystemError(`not within ${limitMs / 1_000} s: ${what}`);
    }
    await pause(POLL_MS);
  }
}
