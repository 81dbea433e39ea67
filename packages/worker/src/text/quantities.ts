const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** What stands for a figure that is not known. */
const UNKNOWN = "-";

/** `0.21 s`, `12.3 s`, `2 min 5 s`, `1 h 2 min`. */
export function formatDuration(durationMs: number | null): string {
  if (durationMs === null) return UNKNOWN;
  if (durationMs < 9995) return `${(durationMs / SECOND_MS).toFixed(2)} s`;
  if (durationMs < 99_950) return `${(durationMs / SECOND_MS).toFixed(1)} s`;
  if (durationMs < HOUR_MS) {
    const seconds = Math.round(durationMs / SECOND_MS);
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  const minutes = Math.round(durationMs / MINUTE_MS);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `512 B`, `1.5 KiB`, `310.2 MiB`. */
export function formatBytes(sizeBytes: number | null): string {
  if (sizeBytes === null) return UNKNOWN;
  let size = sizeBytes;
  let unit = 0;
  while (size >= 1023.95 && unit < BYTE_UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** `1.02 cores` */
export function formatCores(cores: number | null): string {
  return cores === null ? UNKNOWN : `${cores.toFixed(2)} cores`;
}

/** `1 build`, `2 builds` */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
