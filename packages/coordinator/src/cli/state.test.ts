import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exampleState } from "../state/example-state.test-support.ts";
import { CommandLine } from "./cli.test-support.ts";

let line: CommandLine;

beforeAll(() => {
  line = new CommandLine();
});
afterAll(() => line[Symbol.dispose]());

describe("state check", () => {
  test("passes a good file without a data directory and without its secrets", async () => {
    const file = line.json(exampleState());
    expect(await line.run(["state", "check", file])).toEqual({
      exitCode: 0,
      out: `${file} is good\n`,
      err: "",
    });
  });

  test("tells each problem with its path, for people and for programs", async () => {
    const file = line.json({ users: { bob: { email: "bob" } }, caches: { main: {} } });
    const told = await line.run(["state", "check", file]);
    expect(told).toMatchObject({ exitCode: 2, out: "" });
    expect(told.err).toContain('  $.users.bob.email: "bob" is not an e-mail address\n');
    expect(told.err).toContain("  $.caches.main.created_by: it is missing");
    const { exitCode, out } = await line.run(["state", "check", "--json", file]);
    const { problems } = JSON.parse(out);
    expect([exitCode, problems.length]).toEqual([2, 2]);
    expect(problems[0]).toEqual({
      path: "$.users.bob.email",
      message: '"bob" is not an e-mail address',
    });
  });

  test("names a file that is missing or no JSON", async () => {
    expect((await line.run(["state", "check", "/nonexistent"])).err).toContain("cannot be read");
    expect((await line.run(["state", "check", line.file("{")])).err).toContain("is not JSON");
  });
});

test("a password's hash can be made for a state file", async () => {
  const file = line.file("Seven-otters-4-tea\n");
  const hash = await line.done(["user", "hash-password", "--password-file", file]);
  expect(hash).toMatch(/^\$argon2id\$v=19\$/);
  const state = { users: { alice: { email: "a@x.example", password_hash: hash.trim() } } };
  await line.done(["state", "check", line.json(state)]);
  const weak = await line.run(["user", "hash-password", "--password-file", line.file("short")]);
  expect([weak.exitCode, weak.out]).toEqual([2, ""]);
});
