import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, type EvaluationView } from "../support/api-client.ts";
import { BUSYBOX } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { readTree, SourceClient } from "../support/source-client.ts";

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";

/** A derivation whose builder is the shell that the worker's sandbox has. */
const MAKE = `name: script: attributes: derivation ({
  inherit name;
  system = "${SYSTEM}";
  builder = "/bin/sh";
  args = [ "-e" "-c" script ];
} // attributes)`;

const CLASSIC = `let mk = ${MAKE}; in {
  hello = mk "hello" "echo $text > $out" { text = builtins.readFile ./texts/hello.txt; };
  other = mk "other" "exit 1" { };
}`;

const FLAKE = `{
  outputs = { self }: let mk = ${MAKE}; in {
    packages.${SYSTEM} = {
      hello = mk "hello-flake" "echo from a flake > $out" { source = "\${self}"; };
      other = mk "other" "exit 1" { };
    };
  };
}`;

/** Sources that clients upload, from the upload to built outputs. */
describe("uploaded sources", () => {
  let farm: TestFarm;
  let client: SourceClient;
  let directory: string;

  beforeAll(async () => {
    farm = await TestFarm.start();
    client = new SourceClient(farm.api);
    directory = await mkdtemp(join(tmpdir(), "gradient-sources-"));
    await farm.addWorker("alpha", { settings: [`sandbox-paths = /bin/sh=${BUSYBOX}`] });
  }, 60_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  /** Writes a tree that is called `source`, as it would be in a store. */
  async function makeTree(name: string, files: Record<string, string>): Promise<string> {
    const tree = join(directory, name, "source");
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text);
    }
    return tree;
  }

  async function narOf(tree: string): Promise<Buffer> {
    const { stdout } = await execa("nix-store", ["--dump", tree], { encoding: "buffer" });
    return Buffer.from(stdout);
  }

  /** Text of the one output, as a foreign store gets it from the cache. */
  async function builtText(evaluation: string, name: string): Promise<string> {
    const { output } = await farm.api.buildNamed(evaluation, name);
    const path = `/nix/store/${Object.values(output)[0]?.replace("/nix/store/", "")}`;
    const root = await NixRoot.make(await mkdtemp(join(tmpdir(), "gradient-second-")));
    try {
      await root.substitute(path, await farm.cache());
      return await readFile(root.physical(path), "utf8");
    } finally {
      await root.remove();
    }
  }

  /** The store path that Nix itself gives the tree. */
  async function addedByNix(tree: string): Promise<string> {
    const root = await NixRoot.make(await mkdtemp(join(tmpdir(), "gradient-adding-")));
    try {
      return (await root.nix("nix-store", ["--add", tree])).trim();
    } finally {
      await root.remove();
    }
  }

  async function repositoryOf(evaluation: string): Promise<string> {
    const view = await farm.api.call<{ repository: string }>("GET", `/evals/${evaluation}`);
    return view.repository;
  }

  function ended(evaluation: string): Promise<EvaluationView> {
    return farm.ended(evaluation, 60_000);
  }

  test("files by their hash are built, and are the source that Nix would make of them", async () => {
    const tree = await makeTree("files", {
      "default.nix": CLASSIC,
      "texts/hello.txt": "hello from files",
      "a.b": "sorted before a/b by some, and after by others",
      "a/b": "",
    });
    const sent = await client.sendFiles(await readTree(tree), { target: "hello", system: SYSTEM });
    expect(sent).toMatchObject({ cache: "main", missing: 4 });
    const view = await ended(sent.evaluation);
    expect(view.status, farm.logs()).toBe("Completed");
    expect(view.commit).toBe("0".repeat(40));
    expect(view.entry_points.map(({ eval: name }) => name)).toEqual(["hello"]);
    expect(await builtText(sent.evaluation, "hello")).toBe("hello from files\n");
    expect(await repositoryOf(sent.evaluation)).toBe(await addedByNix(tree));
  });

  test("of a changed tree only the changed file travels", async () => {
    const texts = { "default.nix": CLASSIC, "texts/hello.txt": "hello again" };
    await client.sendFiles(await readTree(await makeTree("first", texts)));
    const changed = { ...texts, "texts/hello.txt": "hello for the third time" };
    const second = await makeTree("second", changed);
    const sent = await client.sendFiles(await readTree(second), { target: "hello" });
    expect(sent.missing).toBe(1);
    expect((await ended(sent.evaluation)).status).toBe("Completed");
    expect(await builtText(sent.evaluation, "hello")).toBe("hello for the third time\n");
  });

  test("an executable file is one when the client says so", async () => {
    const tree = await makeTree("executable", {
      "default.nix": `derivation { name = "run"; system = "${SYSTEM}"; builder = ./run.sh; }`,
      "run.sh": "#!/bin/sh\necho ran > $out\n",
    });
    await execa("chmod", ["+x", join(tree, "run.sh")]);
    const { evaluation } = await client.sendFiles(await readTree(tree));
    expect((await ended(evaluation)).status, farm.logs()).toBe("Completed");
    expect(await builtText(evaluation, "run")).toBe("ran\n");
  });

  test("a flake's NAR in slices is built, pure, and only what was asked for", async () => {
    const tree = await makeTree("flake", { "flake.nix": FLAKE });
    const { evaluation } = await client.sendNar(await narOf(tree), 300, {
      target: `packages.${SYSTEM}.hello`,
    });
    const view = await ended(evaluation);
    expect(view.status, farm.logs()).toBe("Completed");
    expect(view.entry_points).toHaveLength(1);
    expect(await builtText(evaluation, "hello-flake")).toBe("from a flake\n");
    expect(await repositoryOf(evaluation)).toBe(await addedByNix(tree));
  });

  test("an input of a flake is another one than the flake says, for this build alone", async () => {
    const dep = (text: string) => ({
      "flake.nix": `{ outputs = { self }: { text = "${text}"; }; }`,
    });
    await farm.addFilesProject("dep", "*", dep("from another input"));
    const tree = await makeTree("overridden", {
      "flake.nix": `{
        inputs.dep.url = "${farm.git.url("nowhere")}";
        outputs = { self, dep }: let mk = ${MAKE}; in {
          hello = mk "hello-input" "echo $text > $out" { inherit (dep) text; };
        };
      }`,
    });
    const files = await readTree(tree);
    const url = `${farm.git.url("dep")}?ref=main`;
    const overrides = [{ input_name: "dep", url }];
    const sent = await client.sendFiles(files, { target: "hello", input_overrides: overrides });
    expect((await ended(sent.evaluation)).error).toBe(null);
    expect(await builtText(sent.evaluation, "hello-input")).toBe("from another input\n");
    expect(await repositoryOf(sent.evaluation)).toBe(await addedByNix(tree));
    const without = await client.sendFiles(files, { target: "hello" });
    expect((await ended(without.evaluation)).error).toContain("has to be locked");
    const wrong = [...overrides, { input_name: "other", url }];
    const nowhere = [{ input_name: "dep", url: farm.git.url("nowhere") }];
    const lost = await client.sendFiles(files, { target: "hello", input_overrides: nowhere });
    expect((await ended(lost.evaluation)).error).toContain(
      "access denied or repository not exported",
    );
    const unknown = await client.sendFiles(files, { target: "hello", input_overrides: wrong });
    expect((await ended(unknown.evaluation)).error).toContain("no input 'other'");
  });

  test("a NAR in one request is the same source as its files", async () => {
    const tree = await makeTree("at-once", {
      "default.nix": CLASSIC,
      "texts/hello.txt": "hello at once",
    });
    const whole = await client.sendNarAtOnce(await narOf(tree), "hello");
    const files = await client.sendFiles(await readTree(tree), { target: "hello" });
    expect(await repositoryOf(whole.evaluation)).toBe(await repositoryOf(files.evaluation));
    expect((await ended(whole.evaluation)).status).toBe("Completed");
    expect((await ended(files.evaluation)).status).toBe("Completed");
    expect(await builtText(whole.evaluation, "hello")).toBe("hello at once\n");
  });

  test("a direct build is built outside of every project, and listed with its status", async () => {
    const tree = await makeTree("direct", {
      "default.nix": CLASSIC,
      "texts/hello.txt": "hello directly",
    });
    const evaluation = await client.buildDirectly(await readTree(tree), "hello");
    const view = await ended(evaluation);
    expect(view).toMatchObject({ status: "Completed", project: null });
    expect(await builtText(evaluation, "hello")).toBe("hello directly\n");
    const [recent] = await farm.api.call<object[]>("GET", "/builds/direct/recent");
    expect(recent).toMatchObject({
      derivation: "hello",
      evaluation_id: evaluation,
      status: "Completed",
    });
  });

  test("what is wrong with a source is the evaluation's error", async () => {
    const empty = await client.sendFiles(await readTree(await makeTree("empty", { README: "?" })));
    const view = await ended(empty.evaluation);
    expect(view.status).toBe("Failed");
    expect(view.error).toContain("no flake.nix, default.nix");
    const missing = await client.sendFiles(
      await readTree(await makeTree("missing", { "default.nix": "{ }" })),
      { target: "hello" },
    );
    expect((await ended(missing.evaluation)).error).toContain("there is no attribute 'hello'");
    const failing = await client.sendFiles(
      await readTree(await makeTree("failing", { "default.nix": CLASSIC, "texts/hello.txt": "" })),
      { target: "other" },
    );
    expect((await ended(failing.evaluation)).status).toBe("Failed");
  });

  test("abort ends its build", async () => {
    const tree = await makeTree("endless", {
      "default.nix": `(${MAKE}) "endless" "echo begun; while :; do :; done" { }`,
    });
    const { evaluation } = await client.sendFiles(await readTree(tree));
    await eventually("the endless build to begin", 30_000, async () => {
      const [build] = await farm.api.builds(evaluation);
      if (build === undefined) return null;
      return (await farm.api.call<string>("GET", `/builds/${build.id}/log`)).includes("begun")
        ? true
        : null;
    });
    await farm.api.call("POST", `/evals/${evaluation}`, { method: "abort" });
    expect((await ended(evaluation)).status).toBe("Aborted");
  });

  test("a client that goes away in the middle of a slice goes on where the server says", async () => {
    const tree = await makeTree("resumed", {
      "default.nix": CLASSIC,
      "texts/hello.txt": "hello after a break",
      ballast: "x".repeat(200_000),
    });
    const nar = await narOf(tree);
    const upload = "ab".repeat(32);
    await breakOff("PUT", `/build-requests/source/${upload}/chunk?offset=0`, nar, 100_000, {
      "content-type": "application/octet-stream",
    });
    const { received } = await eventually("the server to notice", 10_000, async () => {
      const answer = await client.sendChunk(upload, nar.length, Buffer.alloc(0));
      return answer.received > 0 ? answer : null;
    });
    expect(received).toBeLessThanOrEqual(100_000);
    await client.sendChunk(upload, received, nar.subarray(received));
    const { evaluation } = await farm.api.call<{ evaluation: string }>(
      "POST",
      `/build-requests/source/${upload}/finalize?organization=acme`,
      { target: "hello" },
    );
    expect((await ended(evaluation)).status, farm.logs()).toBe("Completed");
  });

  test("a client that goes away in the middle of a form leaves nothing behind", async () => {
    const part = 'content-disposition: form-data; name="files"; filename="a"';
    const form = Buffer.from(`--edge\r\n${part}\r\n\r\n${"x".repeat(200_000)}\r\n--edge--\r\n`);
    await breakOff("POST", "/builds", form, 100_000, {
      "content-type": "multipart/form-data; boundary=edge",
    });
    const drafts = join(farm.dataDir, "sources", "drafts");
    await eventually("what was received to be removed", 10_000, async () =>
      (await readdir(drafts)).length === 0 ? true : null,
    );
    expect(farm.coordinator.log).not.toContain("request failed");
  });

  /** Sends the first bytes of a body and closes the connection. */
  async function breakOff(
    method: string,
    path: string,
    body: Buffer,
    count: number,
    headers: Record<string, string>,
  ): Promise<void> {
    const broken = httpRequest(`${farm.url}/api/v1${path}`, {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${farm.api.token}`,
        "content-length": String(body.length),
      },
    });
    broken.on("error", () => undefined);
    const closed = new Promise((resolve) => broken.on("close", resolve));
    await new Promise((resolve) => broken.write(body.subarray(0, count), resolve));
    broken.destroy();
    await closed;
  }
});
