/** Whether what was read at `since` still counts at `now`. Not when the clock was set back in between: nobody knows then how old it is. All in milliseconds. */
export function isRecent(since: number, now: number, forMs: number): boolean {
  const age = now - since;
  return age >= 0 && age <= forMs;
}
