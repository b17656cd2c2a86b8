/** Shows the state on the page. It decides nothing and never touches the player. */
import { Sparkline } from "./sparkline";
import type { PlayerState, Status } from "./state";

const STATUS: Record<Status, string> = {
  loading: "Connecting",
  waiting: "Waiting",
  playing: "Live",
  stalled: "Stalled",
  paused: "Paused",
  ended: "Ended",
};

const MESSAGE: Partial<Record<Status, string>> = {
  waiting: "Waiting for the programme. It starts here by itself.",
  ended: "The programme has ended.",
};

/** The element with this id; the page is broken without it. */
export function element<T extends Element>(id: string): T {
  const found = document.querySelector<T>(`#${id}`);
  if (found === null) {
    throw new Error(`index.html has no element "${id}"`);
  }
  return found;
}

/** Writes only what differs, so that an unchanged page costs no layout. */
function write(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

function seconds(value: number | null): string {
  return value === null ? "–" : `${value.toFixed(1)} s`;
}

function tone(id: string, bad: boolean): void {
  element<HTMLElement>(id).dataset.tone = bad ? "bad" : "";
}

function line(id: string): Sparkline {
  return new Sparkline(element<SVGPolylineElement>(`${id} polyline`));
}

export class View {
  private readonly latencyLine = line("latency-line");
  private readonly bufferLine = line("buffer-line");

  constructor(private readonly state: PlayerState) {
    document.title = `${state.signal} · airtight`;
    write("signal", state.signal);
  }

  render(): void {
    const { state } = this;
    this.renderStatus();
    write("latency", seconds(state.latency));
    write("buffer", seconds(state.buffered));
    write("level", state.level === null ? "–" : `${state.level.height}p`);
    write("bitrate", state.level?.bitrate ? `up to ${(state.level.bitrate / 1e6).toFixed(1)} Mb/s` : "");
    write("stalls", String(state.stalls));
    write("stall-time", state.stalls > 0 ? `${(state.stallMs / 1_000).toFixed(1)} s in all` : "");
    write("errors", String(state.errorCount));
    write("last-error", this.lastError());
    write("dropped", String(state.droppedFrames));
    write("decoded", `of ${state.decodedFrames}`);
    write("engine", this.engine());
    tone("stalls", state.stalls > 0);
    tone("errors", state.fatalCount > 0);
    write("play", state.status === "paused" ? "Play" : "Pause");
    write("mute", state.muted ? "Unmute" : "Mute");
    element<HTMLElement>("unmute").hidden = !state.muted;
    this.latencyLine.push(state.latency ?? 0);
    this.bufferLine.push(state.buffered);
  }

  private renderStatus(): void {
    const { status } = this.state;
    element<HTMLElement>("status").dataset.status = status;
    write("status", STATUS[status]);
    const message = this.state.engine === "none" ? this.lastError() : (MESSAGE[status] ?? "");
    write("message", message);
    element<HTMLElement>("message").hidden = message === "";
  }

  private lastError(): string {
    const last = this.state.errors.at(-1);
    return last === undefined ? "" : `${last.details}: ${last.reason}`;
  }

  private engine(): string {
    const { engine, version, defaults } = this.state;
    if (engine === "native") {
      return "Played by the browser’s own HLS";
    }
    return engine === "none" ? "" : `hls.js ${version}, ${defaults ? "its defaults" : "airtight’s live settings"}`;
  }
}
