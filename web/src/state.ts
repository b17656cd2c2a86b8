/**
 * What the page knows about its playback: one plain object, shown on the page and
 * exposed as `window.airtight`, where tests and curious viewers read it.
 *
 * It only records. It never touches the player.
 */

/** `waiting`: no media yet; `stalled`: the picture stands still against its will. */
export type Status = "loading" | "waiting" | "playing" | "stalled" | "paused" | "ended";

export interface PlaybackError {
  /** Milliseconds since the page was opened. */
  at: number;
  /** hls.js error details, e.g. `fragLoadError`, or `native` for the browser's own HLS. */
  details: string;
  fatal: boolean;
  /** What is known beyond that: HTTP status, message. */
  reason: string;
}

export interface Level {
  height: number;
  /** Peak bits per second, as announced. */
  bitrate: number;
}

export interface PlayerState {
  signal: string;
  engine: "hls.js" | "native" | "none";
  /** Version of hls.js, empty for the browser's own HLS. */
  version: string;
  /** True if the page was opened with `?defaults`: hls.js without airtight's settings. */
  defaults: boolean;
  status: Status;
  /** Seconds on the media element's clock. */
  currentTime: number;
  /** Seconds of media ahead of `currentTime`. */
  buffered: number;
  /** Seconds from the capture of the picture to now, by PROGRAM-DATE-TIME and this machine's clock. */
  latency: number | null;
  /** Seconds behind the live edge of the playlist. */
  edge: number | null;
  level: Level | null;
  muted: boolean;
  /** Times that the picture stood still after it had begun. */
  stalls: number;
  stallMs: number;
  /** The newest errors, at most `MAX_ERRORS`; `errorCount` counts them all. */
  errors: PlaybackError[];
  errorCount: number;
  fatalCount: number;
  /** Times that the player was built anew after a fatal error. */
  restarts: number;
  decodedFrames: number;
  droppedFrames: number;
}

export const MAX_ERRORS = 100;

export function initialState(signal: string, defaults: boolean): PlayerState {
  return {
    signal,
    engine: "none",
    version: "",
    defaults,
    status: "loading",
    currentTime: 0,
    buffered: 0,
    latency: null,
    edge: null,
    level: null,
    muted: true,
    stalls: 0,
    stallMs: 0,
    errors: [],
    errorCount: 0,
    fatalCount: 0,
    restarts: 0,
    decodedFrames: 0,
    droppedFrames: 0,
  };
}

/** Adds an error; the oldest gives way when the list is full. */
export function recordError(state: PlayerState, details: string, fatal: boolean, reason: string): void {
  state.errors.push({ at: Math.round(performance.now()), details, fatal, reason });
  if (state.errors.length > MAX_ERRORS) {
    state.errors.shift();
  }
  state.errorCount += 1;
  state.fatalCount += fatal ? 1 : 0;
}
