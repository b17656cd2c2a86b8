/**
 * The hls.js settings that airtight publishes for its live streams.
 *
 * They shorten the player's own waits, so that a server that died or froze costs
 * a retry and not a stall. They never change how far behind the live edge the
 * player stays: that is the stream's to say (HOLD-BACK, PART-HOLD-BACK).
 */
import type { HlsConfig, LoaderConfig, RetryConfig } from "hls.js";

/**
 * A refused or reset connection reaches hls.js as status 0. It takes that for final and
 * leaves the rendition, or the stream; here it means a server that is being restarted.
 */
const retryRefused: RetryConfig["shouldRetry"] = (policy, count, _timeout, response, retry) =>
  retry || (response?.code === 0 && count < (policy?.maxNumRetry ?? 0));

/** The first retry comes at once, later ones twice a second, for about a minute. */
const ERROR_RETRY: RetryConfig = {
  maxNumRetry: 120,
  retryDelayMs: 100,
  maxRetryDelayMs: 500,
  backoff: "exponential",
  shouldRetry: retryRefused,
};

const TIMEOUT_RETRY: RetryConfig = { maxNumRetry: 30, retryDelayMs: 0, maxRetryDelayMs: 0 };

/** `firstByteMs` bounds the wait for a frozen server, `loadMs` the whole request. */
function policy(firstByteMs: number, loadMs: number): { default: LoaderConfig } {
  return {
    default: {
      maxTimeToFirstByteMs: firstByteMs,
      maxLoadTimeMs: loadMs,
      timeoutRetry: TIMEOUT_RETRY,
      errorRetry: ERROR_RETRY,
    },
  };
}

/** Settings for live signals; everything not named here is the hls.js default. */
export const LIVE: Partial<HlsConfig> = {
  // Longer than the server ever holds back an answer, shorter than what the buffer lasts.
  manifestLoadPolicy: policy(3_000, 10_000),
  playlistLoadPolicy: policy(3_000, 10_000),
  fragLoadPolicy: policy(2_000, 20_000),
  // Start with the best picture instead of climbing to it.
  abrEwmaDefaultEstimate: 5_000_000,
  // A player that runs for days keeps only what a short rewind needs.
  backBufferLength: 30,
  liveDurationInfinity: true,
};
