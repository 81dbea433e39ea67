import { expect, test } from "vitest";
import { waitingText } from "./words.ts";

test("an evaluation whose fetch failed waits for its next try, any other one for a worker", () => {
  const queued = { state: "Queued", waiting_reason_json: null, retry_at: null } as const;
  expect(waitingText(queued)).toBe("It waits for a worker to begin.");
  const retry_at = Date.UTC(2026, 0, 2, 13, 4, 5);
  expect(waitingText({ ...queued, retry_at })).toContain("the next one is due at 13:04:05 UTC.");
});
