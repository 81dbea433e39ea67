import { ticksUpTo, type Scale } from "./scale.ts";

/** A figure over time or over evaluations. Without scripts it is a picture; with them the value under the pointer is told. */
export interface LineChartProps {
  title: string;
  points: readonly ChartPoint[];
  /** What a value is called: also on the axis. */
  format: (value: number) => string;
  formatX: (x: number) => string;
  scale: Scale;
  /** A value that is not to be passed, such as a limit. */
  limit?: number | null;
}

/** `y` is null where nothing was measured; the line has a gap there. */
export interface ChartPoint {
  readonly x: number;
  readonly y: number | null;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 180, 72, 20, 8];

/** Nothing for fewer than two values: a line needs two points. `points` are in the order of `x`; the axis begins at 0. */
export function LineChart({ title, points, format, formatX, scale, limit = null }: LineChartProps) {
  const values = points.flatMap(({ y }) => (y === null ? [] : [y]));
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || values.length < 2) return null;
  const max = Math.max(...values);
  const ticks = ticksUpTo(max, 4, scale);
  const top = ticks.at(-1) ?? 1;
  const span = last.x - first.x || 1;
  const xOf = (x: number): number => round(LEFT + ((x - first.x) / span) * (WIDTH - LEFT - 8));
  const yOf = (y: number): number => round(HEIGHT - BOTTOM - (y / top) * (HEIGHT - BOTTOM - TOP));
  return (
    <figure class="chart">
      <figcaption>
        {title} <output data-reading></output>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}: at most ${format(max)}`}
        data-chart
      >
        {ticks.map((tick) => (
          <g key={tick}>
            <line class="grid" x1={LEFT} x2={WIDTH - 8} y1={yOf(tick)} y2={yOf(tick)} />
            <text x={LEFT - 6} y={yOf(tick) + 4} text-anchor="end">
              {format(tick)}
            </text>
          </g>
        ))}
        <text x={LEFT} y={HEIGHT - 4}>
          {formatX(first.x)}
        </text>
        <text x={WIDTH - 8} y={HEIGHT - 4} text-anchor="end">
          {formatX(last.x)}
        </text>
        {limit === null || limit > top ? null : (
          <line class="limit" x1={LEFT} x2={WIDTH - 8} y1={yOf(limit)} y2={yOf(limit)} />
        )}
        <path class="line" d={pathOf(points, xOf, yOf)} />
        {points.map(({ x, y }) =>
          y === null ? null : (
            <circle
              key={x}
              class="point"
              cx={xOf(x)}
              cy={yOf(y)}
              r="3"
              data-text={`${formatX(x)}: ${format(y)}`}
            />
          ),
        )}
      </svg>
    </figure>
  );
}

function pathOf(
  points: readonly ChartPoint[],
  xOf: (x: number) => number,
  yOf: (y: number) => number,
): string {
  let isDown = false;
  return points
    .flatMap(({ x, y }) => {
      const command = isDown ? "L" : "M";
      isDown = y !== null;
      return y === null ? [] : [`${command}${xOf(x)} ${yOf(y)}`];
    })
    .join("");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
