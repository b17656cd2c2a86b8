/**
 * What runs inside the page: looks at the video twenty times a second, and at the frame
 * code of every frame that the browser reports. It only records; `judge.mjs` judges.
 *
 * @typedef {{ now: number, time: number, ahead: number, wanted: boolean }} Tick
 *   `now` monotonic ms, `time` s on the media clock, `ahead` s buffered after it,
 *   `wanted` false while the video is paused or over; a seek is the player's own and no excuse.
 * @typedef {{ now: number, mediaTime: number, presented: number, code: number | null }} Frame
 *   `presented` counts the frames shown so far; `code` null if the picture carries none.
 * @typedef {{ at: number, details: string, fatal: boolean, reason: string }} PlaybackError
 * @typedef {{ ticks: Tick[], frames: Frame[], errors: PlaybackError[], lost: number,
 *   dropped: number, decoded: number, latency: number | null, height: number }} Records
 *   `lost` counts records given up because nobody fetched them.
 * @typedef {{ take(): Records }} Probe
 */

/**
 * Installs the probe as `window.probe`. Self-contained: it is sent to the page as text.
 * @returns {void}
 */
export function installProbe() {
  const TICK_MS = 50;
  /** Records kept between two fetches; they come once a second. */
  const MOST = 20_000;
  const CELLS = 16;
  /** Pixels to which a cell is scaled; the middle ones are read. */
  const CELL = 4;

  const video = document.querySelector("video");
  if (video === null) {
    throw new Error("the page has no video element");
  }
  const canvas = document.createElement("canvas");
  canvas.width = CELLS * CELL;
  canvas.height = CELL;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /** @type {Tick[]} */
  let ticks = [];
  /** @type {Frame[]} */
  let frames = [];
  let lost = 0;
  let errorsSeen = 0;

  /** @template T @param {T[]} list @param {T} item */
  const keep = (list, item) => {
    if (list.length < MOST) {
      list.push(item);
    } else {
      lost += 1;
    }
  };

  /**
   * The number in the lowest twelfth of the picture: 16 cells, black 0, white 1, lowest bit left.
   * @param {VideoFrame} frame
   */
  const readCode = (frame) => {
    const { displayWidth: width, displayHeight: height } = frame;
    if (context === null) {
      return null;
    }
    const strip = height / 12;
    context.drawImage(frame, 0, height - strip, width, strip, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 1, canvas.width, 1);
    let code = 0;
    for (let cell = 0; cell < CELLS; cell += 1) {
      const light = data[(cell * CELL + CELL / 2) * 4 + 1] ?? 0;
      if (light > 64 && light < 192) {
        return null;
      }
      code |= Number(light >= 192) << cell;
    }
    return code;
  };

  const ahead = () => {
    const { buffered, currentTime } = video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) {
        return buffered.end(i) - currentTime;
      }
    }
    return 0;
  };

  const tick = () => {
    const wanted = !video.paused && !video.ended;
    keep(ticks, { now: performance.now(), time: video.currentTime, ahead: ahead(), wanted });
  };

  /** @type {VideoFrameRequestCallback} */
  const onFrame = (now, { presentedFrames }) => {
    // The video may be a frame ahead of the callback's own figures: picture and time are
    // taken from one and the same frame.
    const frame = new VideoFrame(video);
    keep(frames, { now, mediaTime: frame.timestamp / 1e6, presented: presentedFrames, code: readCode(frame) });
    frame.close();
    video.requestVideoFrameCallback(onFrame);
  };

  const take = () => {
    const { airtight } = /** @type {any} */ (window);
    const all = airtight?.errors ?? [];
    const count = airtight?.errorCount ?? all.length;
    const errors = all.slice(Math.max(0, all.length - (count - errorsSeen)));
    errorsSeen = count;
    const quality = video.getVideoPlaybackQuality();
    const records = {
      ticks,
      frames,
      errors,
      lost,
      dropped: quality.droppedVideoFrames,
      decoded: quality.totalVideoFrames,
      latency: airtight?.latency ?? null,
      height: video.videoHeight,
    };
    ticks = [];
    frames = [];
    lost = 0;
    return records;
  };

  setInterval(tick, TICK_MS);
  video.requestVideoFrameCallback(onFrame);
  Object.assign(window, { probe: { take } });
}
