/** Quantities in words. All times are UTC. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration in two units at most: "0 s", "27 ms", "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function durationText(milliseconds: number): string {
  if (milliseconds <= 0) return "0 s";
  if (milliseconds < 100) return `${Math.max(1, Math.round(milliseconds))} ms`;
  if (milliseconds < 10 * SECOND) return `${(milliseconds / SECOND).toFixed(1)} s`;
  const rounded = Math.round(milliseconds / SECOND) * SECOND;
  if (rounded < MINUTE) return `${rounded / SECOND} s`;
  if (rounded < HOUR) return twoUnits(rounded, [MINUTE, "min"], [SECOND, "s"]);
  if (rounded < DAY) return twoUnits(rounded, [HOUR, "h"], [MINUTE, "min"]);
  return twoUnits(rounded, [DAY, "d"], [HOUR, "h"]);
}

type Unit = readonly [milliseconds: number, name: string];

function twoUnits(value: number, [large, largeName]: Unit, [small, smallName]: Unit): string {
  const rest = Math.floor((value % large) / small);
  const whole = `${Math.floor(value / large)} ${largeName}`;
  return rest === 0 ? whole : `${whole} ${rest} ${smallName}`;
}

/** How long ago a time was, in one unit: "just now", "5 min ago", "3 d ago". Times to come are "in 5 min". */
export function ageText(at: number, now: number): string {
  const past = Math.abs(now - at);
  if (past < 45 * SECOND) return "just now";
  const [size, name] =
    past < 55 * MINUTE
      ? [MINUTE, "min"]
      : past < 22 * HOUR
        ? [HOUR, "h"]
        : past < 60 * DAY
          ? [DAY, "d"]
          : [30 * DAY, "months"];
  const text = `${Math.max(1, Math.round(past / size))} ${name}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

/** "2026-11-29 11:45:02 UTC" */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** "312 KiB", "1.4 GiB" */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit] ?? ""}`;
}

/** A number with thin spaces between thousands. */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, "\u202f");
}

/** "1 build", "2 builds" */
export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}
