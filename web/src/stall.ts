/**
 * Tells a stall from the ordinary: a picture that has begun, is meant to play, and
 * whose clock has not moved for longer than the eye forgives.
 *
 * Pure: time comes in as an argument.
 */

/** Shorter standstills are the granularity of the media clock, not stalls. */
export const STALL_AFTER_MS = 250;

export interface Observation {
  /** Monotonic milliseconds. */
  now: number;
  /** Seconds on the media clock. */
  currentTime: number;
  /** False while the viewer paused, sought, or the event has ended. */
  wanted: boolean;
}

export class StallMeter {
  count = 0;
  totalMs = 0;
  stalled = false;
  private begun = false;
  private movedAt = 0;
  private lastTime: number | null = null;

  /** Takes one look at the media clock. */
  observe({ now, currentTime, wanted }: Observation): void {
    const moved = currentTime !== this.lastTime;
    this.begun ||= moved && this.lastTime !== null && wanted;
    this.lastTime = currentTime;
    if (moved || !wanted || !this.begun) {
      this.settle(now);
      return;
    }
    if (!this.stalled && now - this.movedAt >= STALL_AFTER_MS) {
      this.stalled = true;
      this.count += 1;
    }
  }

  /** Total so far, a standstill that still lasts included. */
  total(now: number): number {
    return this.totalMs + (this.stalled ? now - this.movedAt : 0);
  }

  private settle(now: number): void {
    if (this.stalled) {
      this.totalMs += now - this.movedAt;
      this.stalled = false;
    }
    this.movedAt = now;
  }
}
