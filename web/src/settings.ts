/**
 * The hls.js settings that airtight publishes for its live streams.
 *
 * They shorten the player's own waits, so that a server that died or froze costs
 * a retry and not a stall. They never change how far behind the live edge the
 * player stays: that is the stream's to say (HOLD-BACK, PART-HOLD-BACK).
 */
import type { HlsConfig, LoaderConfig, RetryConfig } from "hls.js";

/** Failures in a row after which another server is tried, if the stream names one: a quarter of a second. */
const FAILURES = 2;

type ShouldRetry = NonNullable<RetryConfig["shouldRetry"]>;

/**
 * A refused or reset connection reaches hls.js as status 0. It takes that for final and
 * leaves the rendition, or the stream; here it means a server that is being restarted.
 * A player that can move to another server does so soon.
 */
function retryRefused(canMove: () => boolean): ShouldRetry {
  return (policy, count, _timeout, response, retry) =>
    (retry || (response?.code === 0 && count < (policy?.maxNumRetry ?? 0))) && (count < FAILURES || !canMove());
}

/** A frozen server has cost enough already. */
function retryLate(canMove: () => boolean): ShouldRetry {
  return (_policy, _count, _timeout, _response, retry) => retry && !canMove();
}

/** `firstByteMs` bounds the wait for a frozen server, `loadMs` the whole request. */
function policy(canMove: () => boolean, firstByteMs: number, loadMs: number): { default: LoaderConfig } {
  return {
    default: {
      maxTimeToFirstByteMs: firstByteMs,
      maxLoadTimeMs: loadMs,
      timeoutRetry: { maxNumRetry: 30, retryDelayMs: 0, maxRetryDelayMs: 0, shouldRetry: retryLate(canMove) },
      // The first retry comes at once, later ones twice a second, for about a minute.
      errorRetry: {
        maxNumRetry: 120,
        retryDelayMs: 100,
        maxRetryDelayMs: 500,
        backoff: "exponential",
        shouldRetry: retryRefused(canMove),
      },
    },
  };
}

/**
 * Settings for live signals; everything not named here is the hls.js default. `canMove` says
 * whether the stream names another server that has not failed of late.
 */
export function live(canMove: () => boolean): Partial<HlsConfig> {
  return {
    // Longer than the server ever holds back an answer, shorter than what the buffer lasts.
    manifestLoadPolicy: policy(() => false, 3_000, 10_000),
    playlistLoadPolicy: policy(canMove, 3_000, 10_000),
    fragLoadPolicy: policy(canMove, 2_000, 20_000),
    // Start with the best picture instead of climbing to it.
    abrEwmaDefaultEstimate: 5_000_000,
    // A player that runs for days keeps only what a short rewind needs.
    backBufferLength: 30,
    liveDurationInfinity: true,
  };
}
