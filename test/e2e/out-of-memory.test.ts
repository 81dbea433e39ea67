import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UsageRecord } from "@gradient/protocol";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";

const MEBIBYTE = 1024 * 1024;

interface AttemptView {
  number: number;
  status: string;
  message: string | null;
  restart_of: number | null;
  usage: UsageRecord | null;
}

/** Builds that the kernel really kills, on a worker that holds them to their limits. */
describe.runIf(process.getuid?.() === 0)("a build that runs out of memory", () => {
  let farm: TestFarm;
  let evaluation: string;

  /** The oldest first. */
  const attemptsOf = async (name: string): Promise<AttemptView[]> => {
    const { id } = await farm.api.buildNamed(evaluation, name);
    const attempts = await farm.api.call<AttemptView[]>("GET", `/builds/${id}/attempts`);
    return attempts.toReversed();
  };

  beforeAll(async () => {
    farm = await TestFarm.start();
    startWith(farm, 64 * MEBIBYTE);
    await farm.addWorker("alpha", { flags: ["--max-concurrent-builds", "2"] });
    const fill = "dd if=/dev/zero of=/dev/null count=1";
    const files = {
      "default.nix": expression(`{
        grows = mk "grows" "${fill} bs=90M; echo > $out" { };
        bounded = mk "bounded" "${fill} bs=400M; echo > $out" { NIXBUILDNET_MAX_MEM = 100; };
      }`),
    };
    await farm.addFilesProject("hungry", "*", files);
    evaluation = await farm.evaluate("hungry");
    await farm.ended(evaluation, 100_000);
  }, 120_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("is built by an attempt with twice as much", async () => {
    const attempts = await attemptsOf("grows");
    expect(attempts).toMatchObject([
      {
        status: "out_of_memory",
        message: expect.stringMatching(/more than its limit of 64 MiB/),
        restart_of: null,
        usage: { memoryLimitBytes: 64 * MEBIBYTE },
      },
      {
        status: "built",
        message: null,
        restart_of: attempts[0]?.number,
        usage: { memoryLimitBytes: 128 * MEBIBYTE, oomKills: 0 },
      },
    ]);
    expect(attempts[0]?.usage?.oomKills).toBeGreaterThan(0);
  });

  test("has failed when it had all that its derivation allows", async () => {
    const attempts = await attemptsOf("bounded");
    expect(attempts).toMatchObject([
      { status: "out_of_memory", usage: { memoryLimitBytes: 64 * MEBIBYTE } },
      {
        status: "max_memory_exceeded",
        restart_of: attempts[0]?.number,
        usage: { memoryLimitBytes: 100 * MEBIBYTE },
      },
    ]);
    expect((await farm.api.buildNamed(evaluation, "bounded")).status).toBe("FailedPermanent");
  });
});

/** Lets each first attempt begin with so much, as one does that follows another: it has no limit where the derivation has none. */
function startWith({ dataDir }: TestFarm, memoryBytes: number): void {
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  try {
    database.exec(`create trigger first_memory after insert on attempts when new.memory_bytes is null
      begin update attempts set memory_bytes = ${memoryBytes} where number = new.number; end`);
  } finally {
    database.close();
  }
}
