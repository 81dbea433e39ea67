import type { Row } from "./report.ts";
import { median } from "./rounds.ts";
import { load } from "./wrk.ts";

/** Both servers are loaded in turn: what else the machine does meets both. */
const ROUNDS = 4;
const ROUND_SECONDS = 2;

export interface Figures {
  requestsPerSecond: number;
  requestsPerCpuSecond: number;
  bytesPerSecond: number;
  cpuSecondsPerGigabyte: number;
}

/** A server, what is asked of it, and what it has used of the processor until now. */
export interface Side {
  url: string;
  paths: readonly string[];
  cpuSeconds: () => Promise<number>;
}

async function loadOnce(side: Side, connections: number): Promise<Figures> {
  const before = await side.cpuSeconds();
  const { requests, bytes, seconds } = await load(side.url, side.paths, {
    connections,
    seconds: ROUND_SECONDS,
  });
  const cpuSeconds = (await side.cpuSeconds()) - before;
  return {
    requestsPerSecond: requests / seconds,
    requestsPerCpuSecond: requests / cpuSeconds,
    bytesPerSecond: bytes / seconds,
    cpuSecondsPerGigabyte: cpuSeconds / (bytes / 1e9),
  };
}

export type Compare = (figure: (figures: Figures) => number) => Pick<Row, "ours" | "theirs">;

/** Loads both in turn. What it resolves to gives the median of any figure, ours and theirs. */
export async function compared(
  { ours, theirs }: { ours: Side; theirs: Side },
  connections: number,
): Promise<Compare> {
  const mine: Figures[] = [];
  const others: Figures[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    others.push(await loadOnce(theirs, connections));
    mine.push(await loadOnce(ours, connections));
  }
  return (figure) => ({ ours: median(mine.map(figure)), theirs: median(others.map(figure)) });
}
