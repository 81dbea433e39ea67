import { appendFile, chmod, cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fingerprint, PublicKey, type AssignmentResult, type Offer } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "./config/load.ts";
import { runWorker } from "./main.ts";
import { expression, NixFixture } from "./nix/testing/nix-fixture.ts";
import { GitServer, TestRepository } from "./testing/git-server.ts";
import { captureLog } from "./testing/log-capture.ts";
import { Offers, TOKEN } from "./testing/offers.ts";
import { TestCoordinator } from "./testing/test-coordinator.ts";

const DEFAULT_NIX = expression(`rec {
  lower = mk "lower" "echo built from $input > $out" { input = builtins.toFile "input" "a source"; };
  upper = mk "upper" "read line < $lower; echo $line and above > $out; echo it goes well" { inherit lower; };
  failing = mk "failing" "echo something is wrong; exit 7" { };
  throws = throw "not today";
}`);

const offers = new Offers();

/** A worker with a store of its own, as a second machine would have. */
class Machine {
  readonly fixture: NixFixture;
  readonly coordinator: TestCoordinator;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  private constructor(fixture: NixFixture, coordinator: TestCoordinator) {
    this.fixture = fixture;
    this.coordinator = coordinator;
    const { directory, nix } = fixture;
    const config = loadConfig({
      configFile: undefined,
      env: {},
      flags: {
        server: coordinator.url.href,
        peersFile: join(directory, "peers"),
        stateDir: join(directory, "state"),
        store: `local?root=${directory}`,
        maxConcurrentBuilds: "1",
      },
    });
    this.#ended = runWorker({
      config,
      environment: nix.environment,
      logger: captureLog().logger,
      stop: this.#stop.signal,
      hurry: this.#stop.signal,
      leave: new AbortController().signal,
    });
  }

  static async start(): Promise<Machine> {
    const fixture = await NixFixture.make(process.env);
    await writeFile(join(fixture.directory, "peers"), `*:${TOKEN}\n`, { mode: 0o600 });
    return new Machine(fixture, await TestCoordinator.start());
  }

  /** Gives out an assignment and waits for its result. */
  async perform(offer: Offer): Promise<AssignmentResult> {
    await this.coordinator.message("auth");
    this.coordinator.send(offer);
    const { result } = await this.coordinator.message(
      "result",
      ({ assignment }) => assignment === offer.assignment,
    );
    return result;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.coordinator[Symbol.asyncDispose]();
    await this.fixture[Symbol.asyncDispose]();
  }
}

describe("a worker with a real Nix", { timeout: 60_000 }, () => {
  let machine: Machine;
  let repository: TestRepository;
  let server: GitServer;
  let commit: string;

  beforeAll(async () => {
    machine = await Machine.start();
    const served = join(machine.fixture.directory, "served");
    repository = new TestRepository(join(served, "project"));
    await repository.init();
    await cp(machine.fixture.tree, repository.directory, { recursive: true });
    commit = await repository.commit({ "default.nix": DEFAULT_NIX }, "Everything");
    server = await GitServer.start(served);
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await machine.end();
  });

  async function fetchAndEvaluate(): Promise<{ source: string; drvs: Map<string, string> }> {
    const fetched = await machine.perform(offers.fetch(`${server.url}/project`));
    if (fetched.kind !== "fetch" || fetched.source === null)
      throw new Error(JSON.stringify(fetched));
    const offer = offers.eval(fetched.source);
    const evaluated = await machine.perform(offer);
    expect(evaluated).toMatchObject({ kind: "eval", failure: null });
    const drvs = machine.coordinator
      .all("eval-jobs")
      .filter(({ assignment }) => assignment === offer.assignment)
      .flatMap(({ jobs }) => jobs)
      .map(
        (job) =>
          [job.attribute.join("."), job.outcome === "error" ? job.error : job.drvPath] as const,
      );
    return { source: fetched.source, drvs: new Map(drvs) };
  }

  test("fetches a commit and makes its tree a path of the cache", async () => {
    const result = await machine.perform(offers.fetch(`${server.url}/project`));
    expect(result).toMatchObject({
      kind: "fetch",
      failure: null,
      commit: { hash: commit, message: "Everything", authorName: "Ada Lovelace" },
    });
    const { source } = result as { source: string };
    const facts = machine.coordinator.transfers.paths.get(source);
    expect(facts).toMatchObject({ references: [], ca: expect.stringMatching(/^fixed:r:sha256:/) });
  });

  test("evaluates it: derivations with their closures, and the message of what throws", async () => {
    const { drvs } = await fetchAndEvaluate();
    expect([...drvs.keys()].toSorted()).toEqual(["failing", "lower", "throws", "upper"]);
    expect(drvs.get("throws")).toContain("not today");
    const names = machine.coordinator.transfers.derivations.map((name) => name.slice(33));
    expect(names.indexOf("lower.drv")).toBeLessThan(names.indexOf("upper.drv"));
  });

  test("builds, signs and uploads; another machine builds on it with nothing but the cache", async () => {
    const { drvs } = await fetchAndEvaluate();
    const lower = await machine.perform(offers.build(drvs.get("lower") ?? ""));
    expect(lower).toMatchObject({ kind: "build", outcome: "built" });
    const [hello] = machine.coordinator.all("hello");
    const key = PublicKey.parse(hello?.publicKey ?? "");
    const { outputs } = lower as Extract<AssignmentResult, { kind: "build" }>;
    for (const { facts } of outputs) {
      expect(facts.signatures.some((each) => key.verifies(fingerprint(facts), each))).toBe(true);
      machine.coordinator.transfers.paths.set(facts.path, facts);
    }

    const other = await Machine.start();
    try {
      const { transfers } = machine.coordinator;
      for (const [path, facts] of transfers.paths)
        other.coordinator.transfers.paths.set(path, facts);
      for (const [hash, nar] of transfers.nars) other.coordinator.transfers.nars.set(hash, nar);
      const offer = offers.build(drvs.get("upper") ?? "");
      expect(await other.perform(offer)).toMatchObject({ outcome: "built", message: null });
      expect(other.coordinator.log(offer.assignment)).toBe("it goes well\n");
    } finally {
      await other.end();
    }
  });

  test("tells how a build failed, with its log and what it used", async () => {
    const { drvs } = await fetchAndEvaluate();
    const offer = offers.build(drvs.get("failing") ?? "");
    const result = await machine.perform(offer);
    expect(result).toMatchObject({ outcome: "build_failed", outputs: [], logBytes: 19 });
    expect(result).toMatchObject({ usage: { wallMs: expect.any(Number) } });
    expect(machine.coordinator.log(offer.assignment)).toBe("something is wrong\n");
  });

  test("signs what lies in its store", async () => {
    const { source } = await fetchAndEvaluate();
    const result = await machine.perform(offers.sign([source]));
    expect(result).toMatchObject({ kind: "sign", failure: null, signatures: [{ path: source }] });
  });

  test("brings back what lies in its store as it was asked for, and nothing else", async () => {
    const { source, drvs } = await fetchAndEvaluate();
    const { transfers } = machine.coordinator;
    const { narHash = "", narSize = 0 } = transfers.paths.get(source) ?? {};
    const wanted = { path: source, narHash, narSize };
    const lost = () => transfers.nars.delete(narHash.slice("sha256:".length));
    const has = () => transfers.nars.has(narHash.slice("sha256:".length));
    const tried = async (isTrial: boolean, ...paths: (typeof wanted)[]) => {
      const result = await machine.perform(offers.restore(paths, isTrial));
      if (result.kind !== "restore") throw new Error(`it answers with a ${result.kind}`);
      return result.paths.map(({ problem }) => problem);
    };
    lost();
    expect([await tried(true, wanted), has()]).toEqual([[null], false]);
    expect([await tried(false, wanted), has()]).toEqual([[null], true]);

    const drv = drvs.get("lower") ?? "";
    const other = { ...wanted, path: drv };
    const absent = { ...wanted, path: `/nix/store/${"0".repeat(32)}-absent` };
    expect(await tried(false, other, absent)).toEqual([
      expect.stringMatching(/^this store has other bytes under that path: sha256:/),
      "it is not in this store",
    ]);

    const file = join(machine.fixture.directory, source, "default.nix");
    await chmod(file, 0o644);
    await appendFile(file, "# one line more\n");
    lost();
    expect(await tried(false, wanted)).toEqual([
      expect.stringMatching(/^this store's own copy is damaged: its NAR has hash sha256:/),
    ]);
    expect(has()).toBe(false);
  });
});
