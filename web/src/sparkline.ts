/** A line of the last minute of one figure, scaled to the largest value it shows. It reads nothing by itself. */

/** As many points as the drawing is units wide. */
const POINTS = 120;
const WIDTH = 120;
const HEIGHT = 28;

/** The `points` attribute of a polyline through `values`, oldest first. Pure. */
export function polyline(values: readonly number[]): string {
  const top = Math.max(1, ...values);
  const step = WIDTH / (POINTS - 1);
  const first = POINTS - values.length;
  return values
    .map((value, i) => `${((first + i) * step).toFixed(1)},${(HEIGHT - (value / top) * (HEIGHT - 4)).toFixed(1)}`)
    .join(" ");
}

export class Sparkline {
  private readonly values: number[] = [];

  constructor(private readonly line: SVGPolylineElement) {}

  push(value: number): void {
    this.values.push(value);
    if (this.values.length > POINTS) {
      this.values.shift();
    }
    this.line.setAttribute("points", polyline(this.values));
  }
}
