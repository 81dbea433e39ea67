import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { SecretKey } from "@gradient/protocol";
import { expect, test } from "vitest";
import { loadCheckConfig } from "../config/load.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { type Finding, Findings } from "./finding.ts";
import { checkIdentity } from "./identity.ts";

const ORGANIZATION = "0198c1f2-0000-7000-8000-000000000001";
const TOKEN = "t".repeat(64);

async function check(flags: Record<string, string>): Promise<Finding[]> {
  const findings = new Findings("identity");
  const config = loadCheckConfig({ flags, configFile: undefined, env: {} });
  await checkIdentity(findings, config);
  return findings.list;
}

function named(findings: readonly Finding[], name: string): Finding | undefined {
  return findings.find((finding) => finding.name === name);
}

/** A state directory with files in it. */
async function stateWith(files: Record<string, string>, mode = 0o600): Promise<string> {
  const stateDir = path.join(await temporaryDirectory(), "state");
  await mkdir(stateDir, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(stateDir, name), text, { mode });
  }
  return stateDir;
}

test("before the first start nothing is there, and nothing is made", async () => {
  const stateDir = path.join(await temporaryDirectory(), "state");
  const findings = await check({ stateDir });
  expect(findings.filter(({ status }) => status !== "ok")).toEqual([]);
  expect(named(findings, "worker id")?.found).toBe("made at the first start");
  expect(named(await check({ stateDir }), "state directory")?.found).toContain("is made");
  expect(await readdir(path.dirname(stateDir))).toEqual([]);
});

test("the id and the public key of a worker that was started are shown", async () => {
  const id = "6f1f6b0e-33c9-4f5e-8d5a-2d6f6e0b8a11";
  const key = SecretKey.generate("worker-1");
  const stateDir = await stateWith({ "worker-id": `${id}\n`, "signing-key": key.reveal() });
  const findings = await check({ stateDir });
  expect(named(findings, "worker id")).toMatchObject({ status: "ok", found: id });
  expect(named(findings, "signing key")).toMatchObject({
    status: "ok",
    found: key.publicKey.toString(),
  });
  expect(JSON.stringify(findings)).not.toContain(key.reveal());
});

test("foreign contents of the id and the key are failures that name the files", async () => {
  const stateDir = await stateWith({ "worker-id": "build-01", "signing-key": "none" });
  const findings = await check({ stateDir });
  for (const [name, file] of [
    ["worker id", "worker-id"],
    ["signing key", "signing-key"],
  ] as const) {
    expect(named(findings, name)).toMatchObject({
      status: "failure",
      found: expect.stringContaining(path.join(stateDir, file)),
    });
  }
});

test("a state directory that is a file is a failure", async () => {
  const stateDir = path.join(await temporaryDirectory(), "state");
  await writeFile(stateDir, "");
  expect(named(await check({ stateDir }), "state directory")).toMatchObject({
    status: "failure",
    found: `${stateDir} is no directory`,
  });
});

test("a state directory at a place that takes no directories is a failure", async () => {
  expect(named(await check({ stateDir: "/proc/gradient/state" }), "state directory")).toMatchObject(
    {
      status: "failure",
      found: expect.stringMatching(/^\/proc\/gradient\/state is not there .* in \/proc: E/),
      change: "name another directory with --state-dir",
    },
  );
});

test("secrets that others can read are warnings with the command that closes them", async () => {
  const stateDir = await stateWith({ peers: `${ORGANIZATION}:${TOKEN}\n` }, 0o644);
  const peersFile = path.join(stateDir, "peers");
  expect(named(await check({ stateDir, peersFile }), "peers file")).toMatchObject({
    status: "warning",
    change: `chmod 600 ${peersFile}`,
  });
});

test("each rejected line of the peers is named by its number, never by its token", async () => {
  const text = `# tokens\nno-uuid:${TOKEN}\n${ORGANIZATION}:${TOKEN}\nnothing\n`;
  const stateDir = await stateWith({ peers: text });
  const findings = await check({ stateDir, peersFile: path.join(stateDir, "peers") });
  expect(named(findings, "peers line 2")?.status).toBe("warning");
  expect(named(findings, "peers line 4")?.found).toContain("no colon");
  expect(named(findings, "peers")).toMatchObject({
    status: "ok",
    found: "tokens for 1 organization",
  });
  expect(JSON.stringify(findings)).not.toContain(TOKEN);
});

test("peers without a usable line, or that cannot be read, are failures", async () => {
  const stateDir = await stateWith({ peers: "# none yet\n" });
  const empty = await check({ stateDir, peersFile: path.join(stateDir, "peers") });
  expect(named(empty, "peers")?.status).toBe("failure");
  const absent = await check({ stateDir, peersFile: path.join(stateDir, "absent") });
  expect(named(absent, "peers")).toMatchObject({
    status: "failure",
    found: expect.stringContaining("ENOENT"),
  });
});

test("a coordinator without tokens is a failure", async () => {
  const stateDir = await stateWith({});
  const findings = await check({ stateDir, server: "ws://127.0.0.1:1" });
  expect(named(findings, "peers")).toMatchObject({
    status: "failure",
    found: "no tokens are given",
  });
});
