import type { Head } from "@gradient/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listKnownHosts } from "../db/known-host-repository.ts";
import { NoFetchWorkerError, RepositoryUnreachableError } from "../errors.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { TestFarm, type TestOrganization } from "../test-farm.test-support.ts";
import type { TestWorker } from "../test-worker.test-support.ts";

const COMMIT = "a".repeat(40);
const FEATURES = { features: ["resolve-head"] };

let farm: TestFarm;
let clock: ManualClock;
let organization: TestOrganization;
let worker: TestWorker;

beforeEach(async () => {
  clock = new ManualClock();
  farm = await TestFarm.open({
    clock,
    findCredentials: async (id) => ({ sshPrivateKey: `key of ${id}`, knownHosts: "" }),
  });
  organization = await farm.addOrganization();
  worker = await farm.addWorker(organization.id);
});
afterEach(() => farm[Symbol.asyncDispose]());

function ask(repository = "https://example.org/r.git"): Promise<string> {
  const head = farm.farm.repositories.head({
    organization: organization.id,
    repository,
    reference: "refs/heads/main",
  });
  // Whether it fails is looked at later.
  head.catch(() => undefined);
  return head;
}

test("a worker of the organization says which commit a branch is, and a repository without ssh never sees the key", async () => {
  await worker.connect(FEATURES);
  const head = ask();
  const question = await worker.next("resolve-head");
  expect(question).toMatchObject({
    organization: organization.id,
    repository: "https://example.org/r.git",
    reference: "refs/heads/main",
    credentials: null,
  });
  worker.send({ ...answerTo(question), commit: COMMIT });
  expect(await head).toBe(COMMIT);
});

test("over ssh the organization's key is used, and a new host's key is kept", async () => {
  await worker.connect(FEATURES);
  const head = ask("git@example.org:r.git");
  const question = await worker.next("resolve-head");
  expect(question.credentials?.sshPrivateKey).toBe(`key of ${organization.id}`);
  const line = `example.org ssh-ed25519 ${"A".repeat(40)}`;
  worker.send({ ...answerTo(question), commit: COMMIT, hostKeys: [line] });
  await head;
  const known = await listKnownHosts(farm.database.kysely, organization.id);
  expect(known.map(({ host }) => host)).toEqual(["example.org"]);
});

test("what git said is told to whoever asked", async () => {
  await worker.connect(FEATURES);
  const head = ask();
  const question = await worker.next("resolve-head");
  const failure = { message: "cannot fetch: not found", isTransient: false };
  worker.send({ ...answerTo(question), failure });
  await expect(head).rejects.toMatchObject({
    status: 400,
    code: "repository_unreachable",
    message: "cannot fetch: not found",
  });
});

test("without a worker that may look there is a clear error", async () => {
  await expect(ask()).rejects.toThrow(NoFetchWorkerError);
  // An older one does not know the question.
  await worker.connect();
  await expect(ask()).rejects.toThrow(NoFetchWorkerError);
});

test("a worker of another organization is not asked", async () => {
  const stranger = await farm.addWorker((await farm.addOrganization()).id);
  await stranger.connect(FEATURES);
  await expect(ask()).rejects.toThrow(NoFetchWorkerError);
});

test("a worker that does not answer is waited for until the deadline", async () => {
  await worker.connect(FEATURES);
  const head = ask();
  await worker.next("resolve-head");
  await clock.advance(20_000);
  await expect(head).rejects.toThrow(/not reached within 20 s/);
});

test("a worker that is gone answers nothing", async () => {
  await worker.connect(FEATURES);
  const head = ask();
  await worker.next("resolve-head");
  await worker.drop();
  await expect(head).rejects.toThrow(RepositoryUnreachableError);
});

test("only who was asked can answer", async () => {
  await worker.connect(FEATURES);
  const other = await farm.addWorker(organization.id);
  await other.connect();
  const head = ask();
  const question = await worker.next("resolve-head");
  other.send({ ...answerTo(question), commit: "b".repeat(40) });
  await other.settle();
  worker.send({ ...answerTo(question), commit: COMMIT });
  expect(await head).toBe(COMMIT);
});

function answerTo({ question }: { question: string }): Head {
  return { type: "head", question, commit: null, failure: null, hostKeys: [] };
}
