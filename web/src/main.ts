/**
 * The page that every packager and origin serves at `/<signal>/`: it plays
 * `playlist.m3u8` of its own folder and shows how well that goes.
 *
 * `?defaults` in the page's URL plays with the defaults of hls.js.
 */
import { Player } from "./player";
import { initialState, type PlayerState } from "./state";
import { element, View } from "./view";

const RENDER_MS = 500;

declare global {
  interface Window {
    airtight: PlayerState;
  }
}

/** `live01` of `/live01/`; a prefix that a proxy adds is of no concern. */
function signalOf(path: string): string {
  return decodeURIComponent(path.split("/").at(-2) ?? "");
}

function connect(player: Player, video: HTMLVideoElement): void {
  const onClick = (id: string, act: () => void): void => element(id).addEventListener("click", act);
  const toggleMute = (): void => {
    video.muted = !video.muted;
  };
  const togglePlay = (): void => (video.paused ? player.play() : video.pause());
  const stage = element<HTMLElement>("video").parentElement;
  const toggleFull = (): void => {
    void (document.fullscreenElement === null ? stage?.requestFullscreen() : document.exitFullscreen());
  };
  onClick("unmute", toggleMute);
  onClick("mute", toggleMute);
  onClick("play", togglePlay);
  onClick("live", () => player.goLive());
  onClick("full", toggleFull);
  const keys: Record<string, () => void> = { m: toggleMute, f: toggleFull, l: () => player.goLive(), k: togglePlay };
  document.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) {
      keys[event.key]?.();
    }
  });
}

const state = initialState(signalOf(location.pathname), new URLSearchParams(location.search).has("defaults"));
window.airtight = state;

const source = new URL("playlist.m3u8", location.href);
const link = element<HTMLAnchorElement>("source");
link.href = source.href;
link.textContent = source.href;

const video = element<HTMLVideoElement>("video");
const view = new View(state);
connect(new Player(video, source.href, state), video);
view.render();
window.setInterval(() => view.render(), RENDER_MS);
