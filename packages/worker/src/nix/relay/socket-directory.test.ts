import { existsSync } from "node:fs";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { type Server, createServer } from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { startProcess } from "../../process/start.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { openSocketDirectory } from "./socket-directory.ts";

const LONG_AGO = new Date("2020-01-01T00:00:00Z");

async function listen(socketPath: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  return server;
}

/** A socket whose listener was killed. */
async function abandon(socketPath: string): Promise<void> {
  const program = `require("node:net").createServer().listen(process.argv[1], () => console.log("ready"))`;
  const child = await startProcess({
    command: process.execPath,
    args: ["--eval", program, socketPath],
    env: {},
  });
  await new Promise((resolve) => {
    child.stdout.once("data", resolve);
  });
  child.signal("SIGKILL");
  await child.exit;
  expect(existsSync(socketPath)).toBe(true);
}

test("a socket lies below the state directory, and goes when it is done with", async () => {
  const state = await temporaryDirectory();
  {
    await using directory = await openSocketDirectory(state);
    expect(directory.socketPath.startsWith(`${state}/evaluators/`)).toBe(true);
    const server = await listen(directory.socketPath);
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
  expect(await readdir(path.join(state, "evaluators"))).toEqual([]);
});

test("a state directory with a long name has its sockets elsewhere", async () => {
  const state = path.join(await temporaryDirectory(), "a".repeat(100));
  await using directory = await openSocketDirectory(state);
  expect(directory.socketPath.length).toBeLessThan(108);
  expect(existsSync(path.dirname(directory.socketPath))).toBe(true);
});

test("what a killed worker left is removed; what is listened at, new or somebody else's stays", async () => {
  const state = await temporaryDirectory();
  const parent = path.join(state, "evaluators");
  const place = (name: string): string => path.join(parent, `gradient-eval-${name}`);
  const [dead, empty, fresh] = [place("dead"), place("empty"), place("fresh")];
  const [listening, foreign] = [place("listening"), place("foreign")];
  for (const each of [dead, empty, fresh, listening, foreign]) {
    await mkdir(each, { recursive: true });
  }
  await abandon(path.join(dead, "socket"));
  await abandon(path.join(fresh, "socket"));
  const server = await listen(path.join(listening, "socket"));
  await writeFile(path.join(foreign, "file"), "");
  for (const each of [dead, empty, listening, foreign]) await utimes(each, LONG_AGO, LONG_AGO);
  {
    await using directory = await openSocketDirectory(state);
    expect((await readdir(parent)).toSorted()).toEqual(
      [fresh, foreign, listening, path.dirname(directory.socketPath)]
        .map((each) => path.basename(each))
        .toSorted(),
    );
  }
  server.close();
});
