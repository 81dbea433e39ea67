import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { PublicKey, fingerprint } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { NixStore } from "../ports.ts";
import { writeProgram } from "../testing/write-program.ts";
import { NixSigner } from "./sign.ts";
import { openNixStore } from "./store.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

let fixture: NixFixture;
let store: NixStore;
let signer: NixSigner;
let keyFile: string;
const isBuilding = (): boolean => false;

beforeAll(async () => {
  fixture = await NixFixture.make(process.env);
  const stateDirectory = path.join(fixture.directory, "state");
  store = openNixStore({ nix: fixture.nix, rootsName: "test", stateDirectory });
  keyFile = path.join(fixture.directory, "key");
  const publicFile = `${keyFile}.pub`;
  await fixture.run("nix-store", ["--generate-binary-cache-key", "worker-1", keyFile, publicFile]);
  const publicKey = (await readFile(publicFile, "utf8")).trim();
  signer = new NixSigner({ nix: fixture.nix, store, keyFile, publicKey, isBuilding });
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

async function add(name: string): Promise<string> {
  const directory = path.join(fixture.directory, name);
  await mkdir(directory);
  await writeFile(path.join(directory, "name"), name);
  return store.addTree(directory, name);
}

test("gives signatures that the public key verifies, and the store keeps them", async () => {
  const paths = [await add("one"), await add("two")];
  const signatures = await signer.sign([...paths, ...paths]);
  expect([...signatures.keys()]).toEqual(paths);
  for (const each of paths) {
    const facts = await store.pathFacts(each);
    if (facts === null) throw new Error("the path is gone");
    const signature = signatures.get(each) ?? "";
    expect(PublicKey.parse(signer.publicKey).verifies(fingerprint(facts), signature)).toBe(true);
    expect(facts.signatures).toEqual([signature]);
  }
});

test("signing again changes nothing", async () => {
  const added = await add("again");
  const first = await signer.sign([added]);
  expect(await signer.sign([added])).toEqual(first);
});

test("a path that is not there fails alone", async () => {
  const lost = "/nix/store/00000000000000000000000000000000-lost";
  const added = await add("kept");
  const [bad, good] = await Promise.allSettled([signer.sign([lost]), signer.sign([added])]);
  expect(bad.status).toBe("rejected");
  expect(good.status).toBe("fulfilled");
});

test("a key file of another key is told apart", async () => {
  const other = path.join(fixture.directory, "other");
  await fixture.run("nix-store", [
    "--generate-binary-cache-key",
    "worker-1",
    other,
    `${other}.pub`,
  ]);
  const publicKey = await readFile(`${other}.pub`, "utf8");
  const mixed = new NixSigner({ nix: fixture.nix, store, keyFile, publicKey, isBuilding });
  await expect(mixed.sign([await add("mixed")])).rejects.toThrow(/belong to the public key/);
});

/** A signer whose processes are lines of the file. */
async function makeCounted(
  name: string,
  isBuildingThen: () => boolean,
): Promise<{ counted: NixSigner; counter: string }> {
  const bin = path.join(fixture.directory, `bin-${name}`);
  const counter = path.join(fixture.directory, `counter-${name}`);
  const search = fixture.nix.environment["PATH"] ?? "";
  writeProgram(
    path.join(bin, "nix"),
    `#!/bin/sh\necho call >> ${counter}\nPATH=${search} exec nix "$@"\n`,
  );
  const environment = { ...fixture.nix.environment, PATH: `${bin}:${search}` };
  const counted = new NixSigner({
    nix: { ...fixture.nix, environment },
    store,
    keyFile,
    publicKey: signer.publicKey,
    isBuilding: isBuildingThen,
  });
  return { counted, counter };
}

async function linesOf(file: string): Promise<number> {
  return (await readFile(file, "utf8")).trim().split("\n").length;
}

test("calls that come while one runs share the next process", async () => {
  const { counted, counter } = await makeCounted("shared", isBuilding);
  const paths: string[] = [];
  for (let index = 0; index < 12; index += 1) paths.push(await add(`many-${index}`));
  const results = await Promise.all(
    paths.map(async (each, index) => {
      // Half of them come when the first process runs already.
      if (index % 2 === 1)
        await vi.waitFor(() => readFile(counter), { timeout: 10_000, interval: 1 });
      return counted.sign([each]);
    }),
  );
  expect(results.every((result) => result.size === 1)).toBe(true);
  expect(await linesOf(counter)).toBeLessThanOrEqual(3);
});

test("while something is built, what that asks for is waited for", async () => {
  const first = await add("built-first");
  const last = await add("built-last");
  const built: Promise<unknown>[] = [];
  const { counted, counter } = await makeCounted("patient", () => {
    if (built.length > 0) return false;
    built.push(counted.sign([last]));
    return true;
  });
  await counted.sign([first]);
  await Promise.all(built);
  expect(await linesOf(counter)).toBe(1);
});
