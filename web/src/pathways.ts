/**
 * The servers that a stream can be had from, as its content steering names them, and
 * those of them that failed this player of late.
 */
import { type default as Hls, Events } from "hls.js";

/** For so long hls.js does not come back to a pathway that failed. */
const PENALTY_MS = 300_000;

export class Pathways {
  private hls: Hls | null = null;
  private current: string | undefined;
  private readonly failed = new Map<string, number>();

  /** Follows which pathway `hls` is on. */
  watch(hls: Hls): void {
    this.hls = hls;
    hls.on(Events.LEVEL_LOADED, () => {
      this.current = this.loading();
    });
    hls.on(Events.ERROR, () => {
      // hls.js moves before it tells the error that made it move.
      if (this.current !== undefined && this.loading() !== this.current) {
        this.failed.set(this.current, performance.now());
      }
      this.current = this.loading();
    });
  }

  /** Whether there is another pathway that has not failed of late. */
  canMove(): boolean {
    const since = performance.now() - PENALTY_MS;
    const others = this.hls?.pathways.filter((pathway) => pathway !== this.current) ?? [];
    return others.some((pathway) => (this.failed.get(pathway) ?? Number.NEGATIVE_INFINITY) < since);
  }

  private loading(): string | undefined {
    return this.hls?.levels[0]?.pathwayId;
  }
}
