import { spread, ticksUpTo, type Scale } from "./scale.ts";

export interface Bar {
  readonly label: string;
  /** Stacked from the bottom; the class gives the colour. */
  readonly parts: readonly { readonly class: string; readonly value: number }[];
  /** What the bar says when the pointer is on it. */
  readonly text: string;
}

interface BarChartProps {
  title: string;
  bars: readonly Bar[];
  format: (value: number) => string;
  scale: Scale;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 160, 72, 20, 8];

/** Amounts side by side, such as builds of each day. */
export function BarChart({ title, bars, format, scale }: BarChartProps) {
  if (bars.length === 0) return null;
  const sums = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const ticks = ticksUpTo(Math.max(...sums), 3, scale);
  const top = ticks.at(-1) ?? 1;
  const step = (WIDTH - LEFT - 8) / bars.length;
  const heightOf = (value: number): number => (value / top) * (HEIGHT - BOTTOM - TOP);
  const most = bars[sums.indexOf(Math.max(...sums))];
  return (
    <figure class="chart">
      <figcaption>
        {title} <output data-reading></output>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}: at most ${most?.text ?? ""}`}
        data-chart
      >
        {ticks.map((tick) => (
          <g key={tick}>
            <line
              class="grid"
              x1={LEFT}
              x2={WIDTH - 8}
              y1={HEIGHT - BOTTOM - heightOf(tick)}
              y2={HEIGHT - BOTTOM - heightOf(tick)}
            />
            <text x={LEFT - 6} y={HEIGHT - BOTTOM - heightOf(tick) + 4} text-anchor="end">
              {format(tick)}
            </text>
          </g>
        ))}
        {bars.map((bar, at) => (
          <Stack key={bar.label} bar={bar} x={LEFT + at * step} width={step} heightOf={heightOf} />
        ))}
        {spread(bars.length, 6).map((at) => (
          <text key={at} x={LEFT + at * step} y={HEIGHT - 4}>
            {bars[at]?.label}
          </text>
        ))}
      </svg>
    </figure>
  );
}

interface StackProps {
  bar: Bar;
  x: number;
  width: number;
  heightOf: (value: number) => number;
}

function Stack({ bar, x, width, heightOf }: StackProps) {
  let y = HEIGHT - BOTTOM;
  const gap = Math.min(2, width / 5);
  return (
    <g data-text={bar.text}>
      <rect class="reach" x={x} y={TOP} width={width} height={HEIGHT - BOTTOM - TOP} />
      {bar.parts.map((part) => {
        const height = heightOf(part.value);
        y -= height;
        return height === 0 ? null : (
          <rect
            key={part.class}
            class={`fill-${part.class}`}
            x={x + gap / 2}
            y={y}
            width={width - gap}
            height={height}
          />
        );
      })}
    </g>
  );
}
