import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { PacedChunks } from "./paced-chunks.ts";
import { startProcess } from "./start.ts";

/** So many are passed on as they come. */
const PROMPT = 21;
/** Nobody waits for so long: it ends when it is told to. */
const REST_MS = 3_600_000;
const GRACE_MS = 1000;

const ECHO = 'echo "$line" >&2';
const ZEROS = 'dd if=/dev/zero bs="$line" count=1 status=none >&2';

/** Does something with each line that it is told, and says on stdout that it has. */
async function startTold(does: string) {
  const script = `while read -r line; do ${does}; echo told; done`;
  const child = await startProcess({
    command: "/bin/sh",
    args: ["-c", script],
    env: { PATH: process.env["PATH"] ?? "" },
    isReadOnDemand: true,
  });
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const paced = new PacedChunks(child.stderr, REST_MS);
  const chunks = paced.read();
  const next = async (): Promise<string> =>
    Buffer.from((await chunks.next()).value ?? []).toString();
  const tell = async (text: string): Promise<void> => {
    child.stdin.write(`${text}\n`);
    await said.next();
  };
  return {
    hurry: () => paced.hurry(),
    /** What was read ahead, once everything that has come could have been. */
    heldBytes: async () => {
      await delay(50);
      return child.stderr.readableLength;
    },
    next,
    tell,
    ask: async (text: string) => (await Promise.all([next(), tell(text)]))[0],
    [Symbol.asyncDispose]: async () => {
      paced.hurry();
      await chunks.return();
      await child.end(GRACE_MS);
    },
  };
}

test("what a program writes meanwhile is read at once", async () => {
  await using echo = await startTold(ECHO);
  for (let index = 1; index <= PROMPT; index += 1) expect(await echo.ask("x")).toBe("x\n");
  const next = echo.next();
  await echo.tell("one");
  await echo.tell("two");
  expect(await echo.heldBytes()).toBe(0);
  echo.hurry();
  expect(await next).toBe("one\ntwo\n");
});

test("nothing is waited for any more once it is hurried", async () => {
  await using echo = await startTold(ECHO);
  echo.hurry();
  for (let index = 1; index <= 2 * PROMPT; index += 1) expect(await echo.ask("x")).toBe("x\n");
});

test("whoever writes much is not held up", async () => {
  await using zeros = await startTold(ZEROS);
  for (let index = 1; index <= 2 * PROMPT; index += 1) {
    expect(await zeros.ask("20000")).toHaveLength(20_000);
  }
});
