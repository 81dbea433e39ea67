import { copyFile, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { artefactTree, user } from "../support/client-schemas.ts";
import { CommandLineClient } from "../support/command-line-client.ts";
import { BUSYBOX } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { readTree, SourceClient, type DispatchedSource } from "../support/source-client.ts";

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const TARGET = `packages.${SYSTEM}.page`;

const FLAKE = `{
  outputs = { self }: let
    seed = ./seed;
    mk = name: script: derivation {
      inherit name script;
      system = "${SYSTEM}";
      builder = "\${seed}/busybox";
      args = [ "sh" "-e" "-c" script ];
      inherit seed;
    };
  in {
    packages.aarch64-darwin.elsewhere = throw "nobody asked for it";
    packages.${SYSTEM} = {
      page = mk "page" ''
        $seed/busybox mkdir -p $out/nix-support
        echo making a page
        echo "<h1>made</h1>" > $out/page.html
        echo "report html $out/page.html" > $out/nix-support/hydra-build-products
      '';
      unwanted = mk "unwanted" "exit 1";
    };
  };
}`;

/**
 * What the command line client's `build` asks of the server, call by call and in its order. The client is played: these are the requests that it makes
 * and the fields that it cannot do without, made by a program of ours.
 */
describe("gradient build, as the client would ask for it", () => {
  let farm: TestFarm;
  let client: SourceClient;
  let cli: CommandLineClient;
  let directory: string;
  let tree: string;

  beforeAll(async () => {
    if (BUSYBOX === undefined) throw new Error("no busybox found; install busybox-static");
    farm = await TestFarm.start();
    client = new SourceClient(farm.api);
    cli = new CommandLineClient(farm.url);
    cli.token = farm.api.token;
    await farm.addWorker("alpha");
    directory = await mkdtemp(join(tmpdir(), "gradient-cli-"));
    tree = join(directory, "source");
    await mkdir(join(tree, "seed"), { recursive: true });
    await writeFile(join(tree, "flake.nix"), FLAKE);
    await copyFile(BUSYBOX, join(tree, "seed/busybox"));
    await chmod(join(tree, "seed/busybox"), 0o755);
  }, 60_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  async function follow(evaluation: string): Promise<string> {
    const { status, log } = await cli.watch(evaluation);
    expect(status, farm.logs()).toBe("Completed");
    return log;
  }

  /** The entry point that the target names, else the first. */
  async function chosenArtefacts(evaluation: string) {
    const { entry_points: entryPoints } = await cli.call(
      "GET",
      `evals/${evaluation}/artefacts`,
      artefactTree,
    );
    const chosen = entryPoints.find(({ attr }) => attr.endsWith(TARGET)) ?? entryPoints[0];
    if (chosen === undefined) throw new Error("the evaluation has no entry point");
    return chosen;
  }

  test("the client without Nix sends files and downloads what was made for people", async () => {
    await cli.call("GET", "user", user);
    const sent: DispatchedSource = await client.sendFiles(await readTree(tree), {
      target: TARGET,
      system: SYSTEM,
    });
    expect(await follow(sent.evaluation)).toContain("page> making a page\n");
    const { build_id: build, outputs } = await chosenArtefacts(sent.evaluation);
    const result = join(directory, "result");
    for (const { path } of outputs.flatMap(({ products }) => products)) {
      const bytes = await cli.bytes("GET", `builds/${build}/download/${basename(path)}`);
      await mkdir(dirname(join(result, basename(path))), { recursive: true });
      await writeFile(join(result, basename(path)), bytes);
    }
    expect(await readFile(join(result, "page.html"), "utf8")).toBe("<h1>made</h1>\n");
  });

  test("without a target, all packages that the builders can build are built", async () => {
    const { evaluation } = await client.sendFiles(await readTree(tree));
    const { status, log } = await cli.watch(evaluation);
    expect(status).toBe("Failed");
    expect(log).toContain("page> making a page\n");
    const { entry_points: entryPoints } = await farm.api.evaluation(evaluation);
    expect(entryPoints.map((each) => [each.eval, each.build_status])).toEqual([
      [TARGET, "Completed"],
      [`packages.${SYSTEM}.unwanted`, "FailedPermanent"],
    ]);
  });

  test("the client with Nix sends a NAR and realises the output from the cache that the server names", async () => {
    await cli.call("GET", "user", user);
    const { stdout: nar } = await execa("nix-store", ["--dump", tree], { encoding: "buffer" });
    const { evaluation, cache } = await client.sendNar(Buffer.from(nar), 32 * 1024 * 1024, {
      target: TARGET,
      system: SYSTEM,
    });
    await follow(evaluation);
    const { outputs } = await chosenArtefacts(evaluation);
    const publicKey = await cli.tell("GET", `caches/${cache}/public-key`);
    expect(await cli.call("GET", `caches/${cache}/public`, z.boolean())).toBe(true);
    const root = await NixRoot.make(join(directory, "client-store"));
    try {
      const path = `/nix/store/${outputs[0]?.store_path.replace("/nix/store/", "")}`;
      const options = Object.entries({
        "extra-substituters": `${farm.url}/cache/${cache}`,
        "extra-trusted-public-keys": publicKey,
      }).flatMap(([name, value]) => ["--option", name, value]);
      await root.nix("nix-store", ["--realise", path, ...options]);
      expect(await readFile(root.physical(join(path, "page.html")), "utf8")).toBe(
        "<h1>made</h1>\n",
      );
    } finally {
      await root.remove();
    }
  });
});
