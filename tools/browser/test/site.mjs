/**
 * A server with a live stream, for tests of the page and of the player's settings: the
 * segments are made beforehand, the playlist slides over them by the clock. Faults are
 * switched on and off while it runs.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";

/** Where `make web` puts the page. */
const PAGE = new URL("../../../web/dist/", import.meta.url);
const SEGMENT_S = 2;
const LENGTH_S = 120;
const WINDOW = 8;
const TYPES = new Map([
  [".html", "text/html"],
  [".js", "text/javascript"],
  [".css", "text/css"],
  [".svg", "image/svg+xml"],
  [".m3u8", "application/vnd.apple.mpegurl"],
  [".mp4", "video/mp4"],
  [".m4s", "video/mp4"],
]);

/** As in a stream of airtight: two renditions of the picture (here of one and the same), and the sound apart. */
const MULTIVARIANT = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",URI="audio/playlist.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25,AUDIO="sound"
high/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25,AUDIO="sound"
low/playlist.m3u8
`;

/** Where the media of a rendition lies. */
const FOLDERS = new Map([
  ["high", "video"],
  ["low", "video"],
  ["audio", "audio"],
]);

/**
 * Writes `video` and `audio`, each with `init.mp4` and `<n>.m4s`: a picture that carries the frame code, and a tone.
 * @param {string} folder
 */
async function encode(folder) {
  const code = "geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128,scale=640:30:flags=neighbor";
  /** @param {string} track */
  const output = (track) => [
    ...["-t", String(LENGTH_S), "-f", "hls", "-hls_time", String(SEGMENT_S), "-hls_segment_type", "fmp4"],
    ...["-hls_list_size", "0", "-hls_fmp4_init_filename", "init.mp4"],
    ...["-hls_segment_filename", join(folder, track, "%d.m4s"), join(folder, track, "vod.m3u8")],
  ];
  await Promise.all(["video", "audio"].map((track) => mkdir(join(folder, track))));
  await promisify(execFile)("ffmpeg", [
    ...["-hide_banner", "-loglevel", "error"],
    ...["-f", "lavfi", "-i", "testsrc2=size=640x330:rate=25", "-f", "lavfi", "-i", `color=black:size=16x2:rate=25,${code}`],
    ...["-f", "lavfi", "-i", "sine=sample_rate=48000"],
    ...["-filter_complex", "[0:v][1:v]vstack,format=yuv420p[video]"],
    ...["-map", "[video]", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0"],
    ...output("video"),
    ...["-map", "2:a", "-c:a", "aac", ...output("audio")],
  ]);
}

/** The playlist of a programme that went on air at `onAir`, as of `now`; both Unix ms. Pure. */
function playlist(/** @type {number} */ onAir, /** @type {number} */ now, /** @type {boolean} */ ended) {
  const complete = Math.floor((now - onAir) / (SEGMENT_S * 1_000));
  const first = Math.max(0, complete - WINDOW);
  const lines = ["#EXTM3U", "#EXT-X-VERSION:7", `#EXT-X-TARGETDURATION:${SEGMENT_S}`, `#EXT-X-MEDIA-SEQUENCE:${first}`];
  lines.push('#EXT-X-MAP:URI="init.mp4"');
  for (let n = first; n < complete; n += 1) {
    const date = new Date(onAir + n * SEGMENT_S * 1_000).toISOString();
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${date}`, `#EXTINF:${SEGMENT_S},`, `${n}.m4s`);
  }
  return [...lines, ...(ended ? ["#EXT-X-ENDLIST"] : []), ""].join("\n");
}

export class Site {
  /** `refuse` resets connections, `freeze` leaves requests unanswered, `unavailable` answers 503. The page itself is always there.
   * @type {"refuse" | "freeze" | "unavailable" | null} */
  fault = null;
  ended = false;
  /** Unix ms. */
  onAir = Date.now();

  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
    this.server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start() {
    const folder = await mkdtemp(join(tmpdir(), "airtight-site-"));
    await encode(folder);
    const site = new Site(folder);
    site.server.listen(0, "127.0.0.1");
    await once(site.server, "listening");
    return site;
  }

  /** Goes on air anew, as if the programme had begun a window ago. */
  reset() {
    Object.assign(this, { fault: null, ended: false, onAir: Date.now() - WINDOW * SEGMENT_S * 1_000 });
  }

  /** URL of the page. */
  get url() {
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/live01/`;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await rm(this.folder, { recursive: true });
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const { pathname } = new URL(request.url ?? "/", "http://site");
    const media = pathname.match(/^\/live01\/(?:([a-z]+)\/)?([\w.-]+)$/);
    if (media !== null && this.#failed(request, response)) {
      return;
    }
    const body = await (media === null ? this.#page(pathname) : this.#media(media[1], media[2] ?? ""));
    if (body === null) {
      response.writeHead(404).end("There is no such thing here.");
      return;
    }
    const name = media === null && pathname.endsWith("/") ? "index.html" : pathname;
    response.setHeader("Content-Type", TYPES.get(extname(name)) ?? "application/octet-stream");
    response.end(body);
  }

  /** @param {string | undefined} track @param {string} file @returns {Promise<string | Buffer | null>} */
  async #media(track, file) {
    if (file === "playlist.m3u8") {
      return track === undefined ? MULTIVARIANT : playlist(this.onAir, Date.now(), this.ended);
    }
    return readFile(join(this.folder, FOLDERS.get(track ?? "") ?? "", file)).catch(() => null);
  }

  /** @param {string} path @returns {Promise<Buffer | null>} */
  async #page(path) {
    const file = path === "/live01/" ? "index.html" : path.match(/^\/(assets\/[\w.-]+)$/)?.[1];
    return file === undefined ? null : readFile(new URL(file, PAGE)).catch(() => null);
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  #failed(request, response) {
    switch (this.fault) {
      case "refuse":
        request.socket.destroy();
        return true;
      case "freeze":
        return true;
      case "unavailable":
        response.writeHead(503, { "Retry-After": "1" }).end();
        return true;
      default:
        return false;
    }
  }
}
