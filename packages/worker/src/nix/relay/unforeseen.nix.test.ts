import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeProgram } from "../../testing/write-program.ts";
import { openUsageMeters } from "../../usage/usage-meters.ts";
import { CLIENT_MAGIC } from "../daemon/connection.ts";
import { QUERY_PATH_INFO } from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";
import { openNixStore } from "../store.ts";
import { EvaluationFixture } from "../testing/evaluation-fixture.ts";
import { NixFixture, expression } from "../testing/nix-fixture.ts";
import { StoreRelay } from "./store-relay.ts";
import { addTextRequest, textFileOf } from "./text-file.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "gradient-unforeseen-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Stands before the program of the same name on PATH. */
function wrap(program: string, script: string): void {
  const bin = path.join(directory, "bin");
  const others = `PATH=\${PATH#"${bin}":}`;
  writeProgram(path.join(bin, program), `#!/bin/sh\n${others}\n${script}\n`);
}

/** A text that was added before is added again by each attribute, among derivations that are new. */
const AGAIN = expression(`let
    note = _: builtins.toFile "note" "a text";
    make = n: { name = "n${"$"}{toString (1000 + n)}"; value = mk "n-${"$"}{toString n}" "echo > $out" { note = note n; }; };
  in builtins.listToAttrs (builtins.genList make 60) // { bad = throw "thrown"; broken = abort "aborted"; }`);

/** The machine's Nix, whose evaluators do not ask again for the facts of a path. */
const FORGETS_NOTHING = `exec nix-instantiate --option narinfo-cache-positive-ttl 3600 "$@"`;

test("evaluators that ask otherwise than is foreseen are followed by others, and it is remembered for that Nix", async ({
  skip,
}) => {
  await using plain = await EvaluationFixture.make(process.env);
  const { version } = plain.nix;
  skip(Number(version.split(".")[1]) > 26, "what was just added is always asked for");
  const expected = await plain.evaluate({ "default.nix": AGAIN });
  expect(expected.messages).toEqual([]);

  const upgraded = path.join(directory, "upgraded");
  const tellsVersion = `[ "$1" = --version ] && [ -e ${upgraded} ] && exec echo "nix-store (Nix) 99.1"`;
  wrap("nix-store", `${tellsVersion}\nexec nix-store "$@"`);
  wrap("nix-instantiate", FORGETS_NOTHING);
  const PATH = `${path.join(directory, "bin")}:${process.env["PATH"]}`;
  await using fixture = await EvaluationFixture.make({ ...process.env, PATH });
  const file = path.join(fixture.nix.tree, "default.nix");
  const subject = { type: "file", file, arguments: [] } as const;
  const told: string[] = [];
  const evaluator = fixture.openEvaluator({ onUnforeseen: (each) => void told.push(each) });
  const evaluate = async (): Promise<string[]> => {
    const found = await fixture.evaluate({ "default.nix": AGAIN }, "*", { subject, evaluator });
    expect(found.jobs).toEqual(expected.jobs);
    expect(found.list).toHaveLength(expected.list.length);
    return found.messages.map(({ level, text }) => `${level}: ${text}`);
  };

  expect(await evaluate()).toEqual([expect.stringContaining(`Warning: Nix ${version} asks`)]);
  expect(await evaluate()).toEqual([]);
  expect(told).toEqual([version]);
  await writeFile(upgraded, "");
  expect(await evaluate()).toEqual([expect.stringContaining("Warning: Nix 99.1 asks")]);
  expect(told).toEqual([version, "99.1"]);
});

test("who asks otherwise than was foreseen is sent away, and nothing more of it is written", async () => {
  await using fixture = await NixFixture.make(process.env);
  const { nix } = fixture;
  await using meters = await openUsageMeters();
  const meter = await meters.start("relay", { memoryBytes: null, cores: null });
  const [first, second, third] = ["first", "second", "third"].map((name) =>
    textFileOf(name, Buffer.from(name), []),
  );
  assert(first && second && third);
  {
    const { signal } = new AbortController();
    await using relay = await StoreRelay.open(nix, { meter, signal, stateDirectory: directory });
    const asked = new Request().number(CLIENT_MAGIC).number(0x126).number(0).number(0);
    asked.raw(addTextRequest(first)).number(QUERY_PATH_INFO).string(first.path);
    asked.raw(addTextRequest(second)).raw(addTextRequest(third));
    const address = /^unix:\/\/([^?]+)/.exec(relay.nix.environment["NIX_REMOTE"] ?? "")?.[1];
    const socket = connect(address ?? "");
    socket.write(asked.bytes());
    socket.resume();
    await once(socket, "close");
    expect(relay.hasMisled).toBe(true);
    expect(relay.isExact).toBe(true);
    expect(relay.caughtUp()).toBeNull();
    await relay.settled(second.path);
  }
  await meter.finish([]);
  await using store = openNixStore({ nix, rootsName: "test", stateDirectory: directory });
  const paths = [first.path, second.path];
  expect(await store.validPaths([...paths, third.path])).toEqual(new Set(paths));
});

/** Ends as a daemon does that takes no client before 1.34. */
const REFUSES = `#!/usr/bin/env node
const { spawn } = require("node:child_process");
process.stdin.once("data", (greeting) => {
  if (greeting.readUInt8(8) < 34) process.exit(1);
  const child = spawn(NIX_DAEMON, ["--stdio"], { stdio: ["pipe", "inherit", "inherit"] });
  child.stdin.on("error", () => {});
  child.stdin.write(greeting);
  process.stdin.pipe(child.stdin);
  child.once("exit", (code) => process.exit(code ?? 1));
});
`;

test("a Nix that does not speak the relay's protocol has its evaluators write for themselves", async () => {
  await using plain = await EvaluationFixture.make(process.env);
  const expected = await plain.evaluate({ "default.nix": AGAIN });
  const daemon = (await plain.nix.run("sh", ["-c", "command -v nix-daemon"])).trim();
  const bin = path.join(directory, "bin");
  const script = REFUSES.replace("NIX_DAEMON", JSON.stringify(daemon));
  writeProgram(path.join(bin, "nix-daemon"), script);
  await using fixture = await EvaluationFixture.make({
    ...process.env,
    PATH: `${bin}:${process.env["PATH"]}`,
  });
  const found = await fixture.evaluate({ "default.nix": AGAIN });
  expect(found.jobs).toEqual(expected.jobs);
  expect(found.list).toHaveLength(expected.list.length);
  expect(found.messages).toEqual([
    { level: "Warning", text: expect.stringMatching(/^evaluators write .*nix-daemon ended/) },
  ]);
});
