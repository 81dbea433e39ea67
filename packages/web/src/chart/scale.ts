/** In what steps an axis counts: in tens, in binary units, or in milliseconds as clocks do. */
export type Scale = "tens" | "bytes" | "time";

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];
const CLOCK = [
  ...[1, 2, 5, 10, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 30].map((count) => count * MINUTE),
  ...[1, 2, 6, 12].map((count) => count * HOUR),
];

/** The round numbers that an axis shows: 0, and even steps up to the first that is not below `max`. */
export function ticksUpTo(max: number, wanted: number, scale: Scale): number[] {
  if (!(max > 0)) return [0, 1];
  const step = stepOf(max / wanted, scale);
  const ticks = [0];
  while ((ticks.at(-1) ?? 0) < max) ticks.push(step * ticks.length);
  return ticks;
}

/** The smallest round number that is not below `rough`. */
function stepOf(rough: number, scale: Scale): number {
  if (scale === "bytes") return 2 ** Math.ceil(Math.log2(rough));
  if (scale === "time" && rough > SECOND) {
    return CLOCK.find((step) => step >= rough) ?? DAY * stepOf(rough / DAY, "tens");
  }
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
}

/** At most `count` of the indexes from 0 to `length - 1`, evenly apart, the first among them. */
export function spread(length: number, count: number): number[] {
  const step = Math.max(1, Math.ceil(length / count));
  return Array.from({ length: Math.ceil(length / step) }, (_, at) => at * step);
}
