import type { UsageRecord } from "@gradient/protocol";
import type { LiveUsage } from "../ports.ts";

/** Longer than this nobody waits for the figures of a build, which may come from another process. */
const TIMEOUT_MS = 1000;

/** What a build has used until now; null when it has ended meanwhile, or the process that measures it does not answer. */
export async function currentUsage(live: LiveUsage): Promise<UsageRecord | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), TIMEOUT_MS);
  });
  try {
    return await Promise.race([Promise.resolve(live.current()), late]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
