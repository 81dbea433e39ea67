import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { request } from "undici";
import { v4 as uuid } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { compress } from "zstd-napi";
import { ApiError, eventually } from "../support/api-client.ts";
import * as schemas from "../support/client-schemas.ts";
import {
  CommandLineClient,
  NotLoggedInError,
  type NarFields,
} from "../support/command-line-client.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const PASSWORD = "Tr1al-of-light!";
const text = z.string();

const FLAKE = `{
  outputs = { self }: let
    seed = ./seed;
    mk = name: script: derivation {
      inherit name script seed;
      system = "${SYSTEM}";
      builder = "\${seed}/busybox";
      args = [ "sh" "-e" "-c" script ];
    };
    words = mk "words" ''
      for word in one two three; do echo "word $word"; done
      echo three > $out
    '';
  in {
    packages.${SYSTEM}.page = mk "page" ''
      $seed/busybox mkdir -p $out/nix-support
      echo making a page of \${words}
      echo "<h1>made</h1>" > "$out/the page.html"
      echo "report html \\"$out/the page.html\\"" > $out/nix-support/hydra-build-products
      cp=$seed/busybox; $cp cp \${words} $out/words.txt
      echo "file txt $out/words.txt" >> $out/nix-support/hydra-build-products
    '';
  };
}`;

const LETTER = `builtins.toFile "letter" "see \${builtins.toFile "enclosure" "there is more"}"`;

/**
 * The sequences of calls that the command line client makes, one after the other as a user would type its commands, from the first login to
 * what was built and uploaded. The client is played by a program of ours; server, worker, Git and Nix are real.
 */
describe("the command line client's day", () => {
  let farm: TestFarm;
  let worker: TestWorker;
  let directory: string;
  let store: NixRoot;
  let repository: string;
  let cli: CommandLineClient;
  let browser: CommandLineClient;
  let evaluation: string;
  let build: string;

  beforeAll(async () => {
    farm = await TestFarm.start();
    directory = await mkdtemp(join(tmpdir(), "gradient-cli-"));
    worker = await farm.addWorker("alpha");
    repository = await farm.addFilesRepository("day", { "flake.nix": FLAKE });
    cli = new CommandLineClient(`${farm.url}/`);
    browser = new CommandLineClient(farm.url);
    store = await NixRoot.make(join(directory, "store"), [
      `netrc-file = ${join(directory, "netrc")}`,
    ]);
  }, 60_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
    await store.remove();
    await rm(directory, { recursive: true });
  });

  const refusal = (asked: Promise<unknown>) => {
    return asked.then(
      () => "no refusal",
      (error: unknown) => (error instanceof ApiError ? `${error.status} ${error.code}` : error),
    );
  };

  test("status, register and login with a password", async () => {
    expect(await cli.tell("GET", "health")).not.toBe("");
    for (const username of ["bob", "carol"]) {
      const json = { username, name: username, email: `${username}@example.org` };
      await cli.tell("POST", "auth/basic/register", { ...json, password: PASSWORD });
    }
    expect(await refusal(cli.login("bob", "Wr0ng-of-light!"))).toBeInstanceOf(NotLoggedInError);
    expect(await browser.login("bob", PASSWORD)).toBeNull();
    const { username } = await browser.call("GET", "user", schemas.user);
    expect(username).toBe("bob");
  });

  const poll = (code: string) => {
    return cli.call("POST", "auth/cli/poll", text, { json: { device_code: code } });
  };

  test("login by the browser: the page shows the code, the client gets its token once", async () => {
    const started = await cli.call("POST", "auth/cli/start", schemas.deviceLogin);
    expect(started.verification_uri_complete).toBe(
      `${farm.url}/account/cli-authorize?code=${started.user_code}`,
    );
    expect(await refusal(poll(started.device_code))).toBe("400 cli_auth_pending");
    const page = await request(started.verification_uri_complete);
    await page.body.dump();
    expect(page.statusCode).toBeLessThan(400);
    const asked = await browser.call(
      "GET",
      `auth/cli/info?user_code=${started.user_code}`,
      z.object({
        user_code: text,
        expires_at: text,
        user_agent: text.nullable(),
        ip: text.nullable(),
      }),
    );
    expect(asked.user_agent).toBe("gradient-cli/1.3.0");
    await browser.tell("POST", "auth/cli/authorize", { user_code: started.user_code });
    cli.token = await poll(started.device_code);
    expect(await refusal(poll(started.device_code))).not.toBe("no refusal");
    expect((await cli.call("GET", "user", schemas.user)).username).toBe("bob");
  });

  test("a login that was denied in the browser is told by its code", async () => {
    const { device_code: device, user_code: code } = await cli.call(
      "POST",
      "auth/cli/start",
      schemas.deviceLogin,
    );
    await browser.tell("POST", "auth/cli/deny", { user_code: code });
    expect(await refusal(poll(device))).toBe("400 cli_auth_denied");
  });

  test("organization create, list, show and edit, which sends the name unchanged", async () => {
    const json = { name: "day", display_name: "Day", description: "" };
    await cli.tell("PUT", "orgs", json);
    expect(await cli.login("bob@example.org", PASSWORD)).toBe("day");
    expect((await cli.call("GET", "orgs/day", schemas.organization)).display_name).toBe("Day");
    await cli.tell("PATCH", "orgs/day", { ...json, description: "The whole day" });
    const { description } = await cli.call("GET", "orgs/day", schemas.organization);
    expect(description).toBe("The whole day");
  });

  test("organization user add, list and remove; ssh show and recreate", async () => {
    const users = "orgs/day/users";
    await cli.tell("POST", users, { user: "carol", role: "Write" });
    expect(await cli.call("GET", users, schemas.namedList)).toContainEqual({
      id: "carol",
      name: "Write",
    });
    await cli.tell("DELETE", users, { user: "carol" });
    expect(await cli.call("GET", users, schemas.namedList)).toHaveLength(1);
    const key = await cli.tell("GET", "orgs/day/ssh");
    expect(key).toMatch(/^ssh-ed25519 \S+ \S+-day$/);
    expect(await cli.tell("POST", "orgs/day/ssh")).not.toBe(key);
  });

  test("cache create, list, show; edit creates again and is refused", async () => {
    const json = { name: "day", display_name: "Day", description: "", priority: 30 };
    const wanted = { ...json, max_storage_gb: 0 };
    await cli.tell("PUT", "caches", wanted);
    expect(await refusal(cli.tell("PUT", "caches", wanted))).toBe("409 already_exists");
    const { items } = await cli.call("GET", "caches", schemas.namedPage);
    expect(items.map(({ name }) => name)).toEqual(["day"]);
    expect(await cli.tell("GET", "caches/day/public-key")).toMatch(/^[^:]+-day:\S{44}$/);
  });

  test("organization cache add, list and remove, without bodies", async () => {
    const list = () => cli.call("GET", "orgs/day/subscribe", schemas.namedList);
    await cli.tell("POST", "orgs/day/subscribe/day");
    await cli.tell("DELETE", "orgs/day/subscribe/day");
    expect(await list()).toEqual([]);
    await cli.tell("POST", "orgs/day/subscribe/day");
    expect((await list()).map(({ name }) => name)).toEqual(["day"]);
  });

  const workers = () => cli.call("GET", "orgs/day/workers", z.array(schemas.worker));
  const register = (id: string) => {
    const json = { worker_id: id, display_name: "alpha", url: null, token: null };
    return cli.call("POST", "orgs/day/workers", schemas.registeredWorker, { json });
  };

  test("worker register, list and delete; a running one joins", async () => {
    const absent = uuid();
    await register(absent);
    expect((await workers()).map(({ live }) => live ?? null)).toEqual([null]);
    await cli.tell("DELETE", `orgs/day/workers/${absent}`);
    const { peer_id: peer, token } = await register(worker.id);
    await appendFile(join(worker.stateDir, "peers"), `${peer}:${token}\n`);
    const joined = await eventually("the worker to join", 30_000, async () => {
      return (await workers()).find(({ live }) => live) ?? null;
    });
    expect(joined.worker_id).toBe(worker.id);
  });

  test("project create, list, and edit before anything was evaluated", async () => {
    const json = { name: "web", display_name: "Web", description: "", repository, wildcard: "*" };
    await cli.tell("PUT", "projects/day", json);
    const { items } = await cli.call("GET", "projects/day", schemas.namedPage);
    expect(items.map(({ name }) => name)).toEqual(["web"]);
    const details = () => cli.call("GET", "projects/day/web/details", schemas.projectDetails);
    expect((await details()).last_evaluations).toEqual([]);
    await cli.tell("PATCH", "projects/day/web", { ...json, wildcard: `packages.${SYSTEM}.*` });
    expect((await details()).wildcard).toBe(`packages.${SYSTEM}.*`);
  });

  test("project evaluate, and watch until it is completed", async () => {
    evaluation = await cli.tell("POST", "projects/day/web/evaluate");
    const { status, log, total } = await cli.watch(evaluation);
    expect([status, total], farm.logs()).toEqual(["Completed", 2]);
    expect(log).toContain("words> word two\n");
    expect(log).toContain("page> making a page");
    expect(log.endsWith("\n") || log === "").toBe(true);
  });

  test("project show and project log find the newest evaluation", async () => {
    const details = await cli.call("GET", "projects/day/web/details", schemas.projectDetails);
    expect(details.last_evaluations[0]).toMatchObject({
      id: evaluation,
      status: "Completed",
      total_builds: 2,
      builds: { completed: 2, failed: 0 },
    });
    expect(details.last_evaluations[0]?.commit).toMatch(/^[0-9a-f]{40}$/);
    await cli.call("GET", `evals/${evaluation}`, schemas.evaluation);
    await cli.call("GET", `evals/${evaluation}/builds`, schemas.evaluationBuilds);
    expect(await cli.logs(evaluation)).toContain("words> word two\n");
    expect(await refusal(cli.call("GET", `evals/${uuid()}`, schemas.evaluation))).toBe(
      "404 not_found",
    );
  });

  test("builds graph, log, lines and search", async () => {
    const { builds } = await cli.call(
      "GET",
      `evals/${evaluation}/builds`,
      schemas.evaluationBuilds,
    );
    const idOf = (name: string) => builds.find((each) => each.name.includes(name))?.id ?? "";
    const graph = await cli.call("GET", `builds/${idOf("-page")}/graph`, schemas.buildGraph);
    expect(graph.root).toBe(idOf("-page"));
    expect(graph.edges).toEqual([{ source: idOf("-words"), target: idOf("-page") }]);
    build = idOf("-words");
    const pieces = await cli.lines("GET", `builds/${build}/log`);
    const log = pieces.map((piece) => text.parse(piece)).join("");
    expect(log).toBe("word one\nword two\nword three\n");
    const lines = await cli.bytes("GET", `builds/${build}/log/lines?start=2&end=3`);
    expect(lines.toString().trimEnd()).toBe("word two\nword three");
    const found = await cli.lines("GET", `builds/${build}/log/search?q=TWO&case=false`);
    expect(found.slice(0, -1).map((hit) => schemas.logHit.parse(hit).line_number)).toEqual([2]);
    expect(schemas.logHitsEnd.parse(found.at(-1)).total_matches).toBe(1);
    const none = await cli.lines("GET", `builds/${build}/log/search?q=TWO&case=true`);
    expect(schemas.logHitsEnd.parse(none[0]).total_matches).toBe(0);
  });

  test("download takes what the newest evaluation made", async () => {
    const evaluations = await cli.call(
      "GET",
      "projects/day/web/evaluations",
      z.array(schemas.evaluationSummary),
    );
    expect(evaluations[0]?.id).toBe(evaluation);
    const tree = await cli.call("GET", `evals/${evaluation}/artefacts`, schemas.artefactTree);
    const [entry] = tree.entry_points;
    expect(entry?.attr).toBe(`packages.${SYSTEM}.page`);
    const products = entry?.outputs.flatMap((output) => output.products) ?? [];
    const files = await Promise.all(
      products.map(async ({ path }) => {
        const name = encodeURI(basename(path));
        const bytes = await cli.bytes("GET", `builds/${entry?.build_id}/download/${name}`);
        return [basename(path), bytes.toString()];
      }),
    );
    expect(Object.fromEntries(files)).toEqual({
      "the page.html": "<h1>made</h1>\n",
      "words.txt": "three\n",
    });
  });

  test("cache nar list, show and stats know what was built", async () => {
    const query = "hash=&package=&sort=created_at&order=desc&page=1&per_page=50";
    const { items } = await cli.call("GET", `caches/day/nars?${query}`, schemas.narPage);
    const page = items.find((each) => each.package.startsWith("page"));
    const shown = await cli.call("GET", `caches/day/nars/${page?.hash}`, schemas.shownNar);
    expect(shown.signed).toBe(true);
    expect(shown.references).toEqual([page?.store_path]);
    const { total_nars: total } = await cli.call("GET", "caches/day/nars/stats", schemas.narStats);
    expect(total).toBeGreaterThanOrEqual(2);
  });

  /** What the client with Nix tells of a path: hashes as SRI, references as Nix prints them. */
  async function packed(path: string): Promise<{ file: Buffer; fields: NarFields }> {
    const dump = ["--dump", store.physical(path)];
    const { stdout } = await execa("nix-store", dump, { encoding: "buffer" });
    const nar = Buffer.from(stdout);
    const file = Buffer.from(compress(nar));
    const references = await store.nix("nix-store", ["--query", "--references", path]);
    const fields = {
      store_path: path,
      file_hash: sri(file),
      file_size: file.length,
      nar_hash: sri(nar),
      nar_size: nar.length,
      references: references.split("\n").filter((each) => each !== ""),
      deriver: null,
    };
    return { file, fields };
  }

  const sri = (bytes: Buffer) => `sha256-${createHash("sha256").update(bytes).digest("base64")}`;

  /** What the client tells of a file that lies in a cache of files: everything as its narinfo has it. */
  async function filed(path: string): Promise<{ file: Buffer; fields: NarFields }> {
    const files = join(directory, "files");
    const nix = ["--extra-experimental-features", "nix-command", "copy", "--no-check-sigs"];
    await store.nix("nix", [...nix, "--to", `file://${files}?compression=zstd`, path]);
    const hash = basename(path).slice(0, 32);
    const lines = (await readFile(join(files, `${hash}.narinfo`), "utf8")).split("\n");
    const field = (name: string) => {
      const line = lines.find((each) => each.startsWith(`${name}: `));
      return line?.slice(name.length + 2) ?? "";
    };
    expect(await readdir(join(files, "nar"))).toContain(basename(field("URL")));
    const fields = {
      store_path: field("StorePath"),
      file_hash: field("FileHash"),
      file_size: Number(field("FileSize")),
      nar_hash: field("NarHash"),
      nar_size: Number(field("NarSize")),
      references: field("References").split(" ").filter(Boolean),
      deriver: field("Deriver") || null,
    };
    return { file: await readFile(join(files, field("URL"))), fields };
  }

  test("cache upload in both of its ways; Nix takes the paths with the token in a netrc; nar delete", async () => {
    const argv = ["--eval", "--read-write-mode", "-E", LETTER];
    const letter = text.parse(JSON.parse(await store.nix("nix-instantiate", argv)));
    const closure = await store.nix("nix-store", ["--query", "--requisites", letter]);
    const enclosure = closure.split("\n").find((path) => path.endsWith("-enclosure")) ?? "";
    const first = await packed(enclosure);
    await cli.uploadNar("day", first.file, first.fields);
    const second = await filed(letter);
    expect(second.fields.references).toEqual([basename(enclosure)]);
    await cli.uploadNar("day", second.file, second.fields);

    const netrc = `machine 127.0.0.1\nlogin gradient\npassword ${cli.token}\n`;
    await writeFile(join(directory, "netrc"), netrc);
    await store.nix("nix-store", ["--delete", letter, enclosure]);
    const publicKey = await cli.tell("GET", "caches/day/public-key");
    await store.substitute(letter, { url: `${farm.url}/cache/day`, publicKey });
    expect(await readFile(store.physical(letter), "utf8")).toBe(`see ${enclosure}`);

    const hash = basename(letter).slice(0, 32);
    await cli.bytes("DELETE", `caches/day/nars/${hash}`);
    const gone = cli.call("GET", `caches/day/nars/${hash}`, schemas.shownNar);
    expect(await refusal(gone)).toBe("404 not_found");
  });

  test("shell completion's lists", async () => {
    for (const path of ["orgs", "projects/day", "caches"]) {
      await cli.call("GET", path, schemas.namedPage);
    }
    for (const path of ["orgs/day/subscribe", "orgs/day/users"]) {
      await cli.call("GET", path, schemas.namedList);
    }
    expect(await workers()).toHaveLength(1);
  });

  test("project, cache and organization delete; a token that has ended is 401", async () => {
    await cli.tell("DELETE", "projects/day/web");
    await cli.tell("DELETE", "caches/day");
    await cli.tell("DELETE", "orgs/day");
    expect(await cli.onlyOrganization()).toBeNull();
    await cli.tell("POST", "auth/logout");
    expect(await refusal(cli.call("GET", "user", schemas.user))).toBeInstanceOf(NotLoggedInError);
  });
});
