/**
 * Plays one HLS presentation in one video element for as long as the page is open:
 * with hls.js where Media Source Extensions exist, else with the browser's own HLS.
 *
 * The player stays, the engine is disposable: after a fatal error a new engine takes
 * its place, sooner or later by `restartDelay`. It never gives up and never reloads
 * the page.
 */
import Hls, { type ErrorData, ErrorTypes, Events } from "hls.js";
import { Pathways } from "./pathways";
import { live } from "./settings";
import { StallMeter } from "./stall";
import { type PlayerState, recordError } from "./state";

const NATIVE_TYPE = "application/vnd.apple.mpegurl";
const TICK_MS = 100;
/** Nothing to play after this long: the page says that it waits. */
const WAITING_MS = 2_000;
/** A second media error within this time calls for a new engine. */
const RECOVERY_MS = 5_000;
/** Playback that lasted this long makes the next restart a first one again. */
const SETTLED_MS = 30_000;

/** Milliseconds to wait before restart number `attempt` (0 is the first): 0.5 s doubling up to 5 s. */
export function restartDelay(attempt: number): number {
  return Math.min(500 * 2 ** Math.min(attempt, 8), 5_000);
}

export class Player {
  private hls: Hls | null = null;
  private attempt = 0;
  private startedAt = 0;
  private recoveredAt = Number.NEGATIVE_INFINITY;
  private restarting: number | undefined;
  /** True while the viewer's own jump to the live edge lasts; other seeks are the engine's and count as stalls. */
  private seeking = false;
  /** True once the picture has run; what came before was loading. */
  private begun = false;
  private readonly meter = new StallMeter();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    private readonly state: PlayerState,
  ) {
    video.muted = true;
    video.addEventListener("ended", () => this.refresh());
    video.addEventListener("error", () => this.onNativeError());
    window.setInterval(() => this.refresh(), TICK_MS);
    this.start();
  }

  /** Moves to the live edge, as near as the stream allows. */
  goLive(): void {
    const edge = this.hls?.liveSyncPosition ?? this.nativeEdge();
    if (edge !== null) {
      this.seeking = true;
      this.video.currentTime = edge;
    }
    this.play();
  }

  /** Plays; a browser that forbids it leaves the picture paused, which the page shows. */
  play(): void {
    this.video.play().catch(() => this.refresh());
  }

  private start(): void {
    this.startedAt = performance.now();
    if (Hls.isSupported()) {
      this.startHls();
    } else if (this.video.canPlayType(NATIVE_TYPE) !== "") {
      this.state.engine = "native";
      this.video.src = this.url;
      this.play();
    } else {
      recordError(this.state, "unsupported", true, "This browser plays neither MSE nor HLS.");
    }
  }

  private startHls(): void {
    this.state.engine = "hls.js";
    this.state.version = Hls.version;
    const pathways = new Pathways();
    const hls = new Hls(this.state.defaults ? {} : live(() => pathways.canMove()));
    pathways.watch(hls);
    hls.on(Events.ERROR, (_event, data) => this.onHlsError(hls, data));
    hls.on(Events.MANIFEST_PARSED, () => this.play());
    hls.attachMedia(this.video);
    hls.loadSource(this.url);
    this.hls = hls;
  }

  private onHlsError(hls: Hls, data: ErrorData): void {
    const status = data.response?.code;
    const reason = status === undefined ? data.error.message : `HTTP ${status}`;
    recordError(this.state, data.details, data.fatal, reason);
    if (!data.fatal || hls !== this.hls) {
      return;
    }
    const now = performance.now();
    if (data.type === ErrorTypes.MEDIA_ERROR && now - this.recoveredAt > RECOVERY_MS) {
      this.recoveredAt = now;
      hls.recoverMediaError();
    } else {
      this.restartLater();
    }
  }

  private onNativeError(): void {
    if (this.hls === null && this.video.error !== null) {
      recordError(this.state, "native", true, this.video.error.message);
      this.restartLater();
    }
  }

  private restartLater(): void {
    window.clearTimeout(this.restarting);
    if (performance.now() - this.startedAt > SETTLED_MS) {
      this.attempt = 0;
    }
    this.restarting = window.setTimeout(() => {
      this.hls?.destroy();
      this.hls = null;
      this.state.restarts += 1;
      this.start();
    }, restartDelay(this.attempt));
    this.attempt += 1;
  }

  /** Brings the state up to date with the media element. */
  private refresh(): void {
    const { video, state } = this;
    const now = performance.now();
    this.seeking &&= video.seeking;
    this.begun ||= video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA && !video.paused && !video.seeking;
    const wanted = this.begun && !video.paused && !video.ended && !this.seeking;
    this.meter.observe({ now, currentTime: video.currentTime, wanted });
    const quality = video.getVideoPlaybackQuality();
    state.currentTime = video.currentTime;
    state.buffered = this.bufferedAhead();
    state.latency = this.latency();
    state.edge = this.hls === null ? null : this.hls.latency;
    state.level = this.level();
    state.muted = video.muted;
    state.stalls = this.meter.count;
    state.stallMs = Math.round(this.meter.total(now));
    state.decodedFrames = quality.totalVideoFrames;
    state.droppedFrames = quality.droppedVideoFrames;
    state.status = this.status();
  }

  private status(): PlayerState["status"] {
    const { video } = this;
    if (video.ended) {
      return "ended";
    }
    if (video.readyState < HTMLMediaElement.HAVE_METADATA) {
      return performance.now() - this.startedAt > WAITING_MS ? "waiting" : "loading";
    }
    if (video.paused) {
      return "paused";
    }
    if (this.meter.stalled) {
      return "stalled";
    }
    return video.currentTime > 0 ? "playing" : "loading";
  }

  private bufferedAhead(): number {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) {
        return buffered.end(i) - currentTime;
      }
    }
    return 0;
  }

  private latency(): number | null {
    const shown = this.hls === null ? this.nativeDate() : this.hls.playingDate?.getTime();
    return shown === undefined || Number.isNaN(shown) ? null : (Date.now() - shown) / 1_000;
  }

  /** Safari tells the date of the presentation's start by a method of its own. */
  private nativeDate(): number | undefined {
    const element: HTMLVideoElement & { getStartDate?: () => Date } = this.video;
    const start = element.getStartDate?.().getTime();
    return start === undefined ? undefined : start + this.video.currentTime * 1_000;
  }

  private nativeEdge(): number | null {
    const { seekable } = this.video;
    return seekable.length > 0 ? seekable.end(seekable.length - 1) : null;
  }

  private level(): PlayerState["level"] {
    const level = this.hls?.levels[this.hls.currentLevel];
    const height = level?.height || this.video.videoHeight;
    return height > 0 ? { height, bitrate: level?.maxBitrate ?? 0 } : null;
  }
}
