import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ToCoordinator } from "@gradient/protocol";
import type { JournalEntry } from "../journal/entry.ts";
import { Journal } from "../journal/journal.ts";
import { captureLog } from "../testing/log-capture.ts";
import { Offers, recordOf, storePath } from "../testing/offers.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { Feed } from "./feed.ts";

const offers = new Offers();
const RESULT = { kind: "sign", failure: null, signatures: [] } as const;

async function setUp() {
  const directory = join(await temporaryDirectory(), "journal");
  const journal = await Journal.open(directory, captureLog().logger);
  const clock = { now: 1_000_000 };
  const feed = new Feed({ journal, now: () => clock.now, logger: captureLog().logger });
  const build = () => journal.create(recordOf(offers.build(storePath("x.drv"))));
  return { journal, clock, feed, build };
}

function write(entry: JournalEntry, text: string): void {
  entry.log.append(text);
  entry.log.flush();
}

async function all(feed: Feed): Promise<ToCoordinator[]> {
  const messages: ToCoordinator[] = [];
  for (let next = await feed.next(); next !== null; next = await feed.next()) messages.push(next);
  return messages;
}

function logBytes(messages: readonly ToCoordinator[]): number {
  return messages.reduce((sum, each) => (each.type === "log" ? sum + each.text.length : sum), 0);
}

describe("one assignment", () => {
  test("sends its batches, then its log, then its result", async () => {
    const { feed, build } = await setUp();
    const entry = build();
    write(entry, "hello\n");
    await entry.addBatch([], []);
    await entry.addBatch([], []);
    await entry.finish({ ...RESULT, signatures: [] });
    const types = (await all(feed)).map(({ type }) => type);
    expect(types).toEqual(["eval-jobs", "eval-jobs", "log", "result"]);
  });

  test("whose log cannot be read sends its result all the same, and holds up no other", async () => {
    const { feed, build } = await setUp();
    const [broken, other] = [build(), build()];
    for (const entry of [broken, other]) write(entry, "hello\n");
    await rm(join(broken.directory, "log"));
    await broken.finish({ ...RESULT, signatures: [] });
    const sent = (await all(feed)).map((message) =>
      "assignment" in message ? [message.type, message.assignment] : [],
    );
    expect(sent).toContainEqual(["result", broken.record.assignment]);
    expect(sent).toContainEqual(["log", other.record.assignment]);
  });

  test("begins a new connection at what was acknowledged", async () => {
    const { feed, build } = await setUp();
    const entry = build();
    write(entry, "0123456789");
    await entry.addBatch([], []);
    await entry.addBatch([], []);
    await all(feed);
    feed.acknowledgeLog(entry.record.assignment, 4);
    await entry.acknowledgeBatch(0);
    feed.begin();
    expect(await all(feed)).toMatchObject([
      { type: "eval-jobs", sequence: 1 },
      { type: "log", offset: 4, text: "456789" },
    ]);
  });

  test("sends again what the coordinator has lost after it had acknowledged it", async () => {
    const { feed, build } = await setUp();
    const entry = build();
    write(entry, "0123456789");
    await all(feed);
    feed.acknowledgeLog(entry.record.assignment, 10);
    feed.begin();
    write(entry, "abc");
    expect(await all(feed)).toMatchObject([{ offset: 10, text: "abc" }]);
    feed.acknowledgeLog(entry.record.assignment, 6);
    expect(await all(feed)).toMatchObject([{ offset: 6, text: "6789abc" }]);
    feed.acknowledgeLog(entry.record.assignment, 13);
    expect(await all(feed)).toEqual([]);
  });

  test("keeps at most a window of log bytes under way", async () => {
    const { feed, build } = await setUp();
    const entry = build();
    write(entry, "x".repeat(1_500_000));
    expect(logBytes(await all(feed))).toBe(1024 * 1024);
    feed.acknowledgeLog(entry.record.assignment, 100_000);
    expect(logBytes(await all(feed))).toBe(100_000);
  });

  test("that was dropped leaves its part of the window to others", async () => {
    const { journal, feed, build } = await setUp();
    const dropped = build();
    write(dropped, "x".repeat(1_500_000));
    await all(feed);
    const other = build();
    write(other, "hello");
    expect(await all(feed)).toEqual([]);
    await journal.remove(dropped);
    expect(logBytes(await all(feed))).toBe(5);
  });

  test("holds its result back for its log, but not for ever", async () => {
    const { feed, build, clock } = await setUp();
    const entry = build();
    write(entry, "x".repeat(1_500_000));
    await entry.finish({ ...RESULT, signatures: [] });
    expect((await all(feed)).some(({ type }) => type === "result")).toBe(false);
    clock.now += 60_000;
    expect((await all(feed)).map(({ type }) => type)).toEqual(["result"]);
  });

  test("sends a result again when nobody acknowledges it", async () => {
    const { feed, build, clock } = await setUp();
    await build().finish({ ...RESULT, signatures: [] });
    expect(await all(feed)).toHaveLength(1);
    expect(await all(feed)).toHaveLength(0);
    clock.now += 30_000;
    expect(await all(feed)).toHaveLength(1);
  });
});

test("the result of one assignment does not wait for the log of another", async () => {
  const { feed, build } = await setUp();
  write(build(), "x".repeat(500_000));
  await build().finish({ ...RESULT, signatures: [] });
  expect((await feed.next())?.type).toBe("result");
});

test("logs take turns", async () => {
  const { feed, build } = await setUp();
  const entries = [build(), build()];
  for (const entry of entries) write(entry, "x".repeat(400_000));
  const first = [await feed.next(), await feed.next()];
  const senders = first.map((message) => message?.type === "log" && message.assignment);
  expect(new Set(senders)).toEqual(new Set(entries.map(({ record }) => record.assignment)));
});
