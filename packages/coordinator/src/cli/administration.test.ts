import { cpSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiKeyHash, sha256Hex } from "../auth/random-token.ts";
import { tryLockDataDir } from "../data-dir.ts";
import { stateWithSecrets } from "../state/secret-files.test-support.ts";
import { CommandLine } from "./cli.test-support.ts";

const WORKER = "0f9619ff-8b86-4011-b42d-00c04fc964fe";
const DECLARED_WORKER = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

let line: CommandLine;
let dataDir: string;

/** A farm whose things can be changed, and the same one with all of it declared. */
let declaredDir: string;

beforeAll(async () => {
  line = new CommandLine();
  declaredDir = join(line.directory, "declared");
  dataDir = join(line.directory, "data");
  const { state } = await stateWithSecrets(line);
  await line.done(["state", "apply", line.json(state), "--data-dir", declaredDir]);
  cpSync(declaredDir, dataDir, { recursive: true });
  await line.done([
    "state",
    "apply",
    line.json({}),
    "--data-dir",
    dataDir,
    "--delete-state",
    "false",
  ]);
});
afterAll(() => line[Symbol.dispose]());

const run = (...args: string[]) => line.run([...args, "--data-dir", dataDir]);
const done = (...args: string[]) => line.done([...args, "--data-dir", dataDir]);
// oxlint-disable-next-line typescript/no-explicit-any -- tests assert on whatever is listed
const list = async (...args: string[]): Promise<any[]> => JSON.parse(await done(...args, "--json"));

function query<T>(sql: string): T[] {
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  try {
    return database.prepare<[], T>(sql).all();
  } finally {
    database.close();
  }
}

describe("lists", () => {
  test("are tables for people and JSON for programs", async () => {
    expect(await done("user", "list")).toMatch(/^username +email .*\nalice +alice@example\.org /);
    expect(await list("user", "list")).toMatchObject([
      { username: "alice", superuser: true, active: true, password: true, last_login: null },
      { username: "bob", superuser: false, password: false },
    ]);
    expect(await list("project", "list")).toMatchObject([{ name: "library" }, { name: "site" }]);
    expect(await list("cache", "list")).toMatchObject([{ name: "main", paths: 0 }, {}]);
    expect(await list("key", "list", "--username", "bob")).toEqual([]);
    expect(await done("key", "list", "--username", "bob")).toBe("there are none\n");
  });

  test("of a directory without a farm are refused, and nothing is made there", async () => {
    const nowhere = join(line.directory, "nowhere");
    const { exitCode, err } = await line.run(["user", "list", "--data-dir", nowhere]);
    expect([exitCode, err]).toEqual([1, expect.stringContaining("has no farm")]);
  });
});

test("a superuser is made and unmade", async () => {
  await done("user", "set-superuser", "--username", "bob");
  expect((await list("user", "list"))[1].superuser).toBe(true);
  await done("user", "set-superuser", "--username", "bob", "--off");
  expect((await list("user", "list"))[1].superuser).toBe(false);
  const nobody = await run("user", "set-superuser", "--username", "nobody");
  expect([nobody.exitCode, nobody.err]).toEqual([1, expect.stringContaining('user "nobody"')]);
});

test("an account is deleted, but for one that is the only Admin of something", async () => {
  const password = ["--password-file", line.file("Seven-otters-4-tea")];
  const carol = ["--username", "carol"];
  await done(
    "user",
    "create",
    ...carol,
    ..."--email c@example.org --name C".split(" "),
    ...password,
  );
  await done("user", "delete", ...carol);
  expect((await run("user", "delete", ...carol)).err).toContain('user "carol" does not exist');
  const { exitCode, err } = await run("user", "delete", "--username", "alice");
  expect([exitCode, err]).toEqual([
    1,
    expect.stringContaining('"alice" is the only Admin of organization "acme"'),
  ]);
});

describe("an API key", () => {
  test("is printed once, kept as a hash, and revoked", async () => {
    const who = ["--username", "alice", "--name", "deploy"];
    const made = await done(
      "key",
      "create",
      ...who,
      "--permissions",
      "viewOrg",
      "--organization",
      "acme",
    );
    expect(made).toMatch(/^GRAD[A-Za-z0-9]{64}\n$/);
    const rows = query<{ secret_hash: string }>(
      "select secret_hash from api_keys where name = 'deploy'",
    );
    expect(rows).toEqual([{ secret_hash: apiKeyHash(made.trim()) }]);
    await done("key", "revoke", ...who);
    const [, deploy] = await list("key", "list");
    expect(deploy).toMatchObject({
      name: "deploy",
      organization: "acme",
      revoked: expect.any(String),
    });
  });

  test("that breaks a rule is refused with the rule", async () => {
    const who = ["--username", "alice", "--name", "x"];
    const unknown = await run("key", "create", ...who, "--permissions", "fly");
    expect([unknown.exitCode, unknown.err]).toEqual([2, expect.stringContaining('"fly"')]);
    const days = await run(
      "key",
      "create",
      ...who,
      "--permissions",
      "viewOrg",
      "--expires-in-days",
      "x",
    );
    expect([days.exitCode, days.err]).toEqual([2, expect.stringContaining("--expires-in-days")]);
    const gone = await run("key", "revoke", "--username", "alice", "--name", "gone");
    expect(gone.err).toContain('no API key named "gone"');
  });
});

describe("a worker", () => {
  test("is registered with the line of its peers file, told to the daemon, and removed", async () => {
    const which = ["--organization", "acme", "--worker-id", WORKER];
    const [organization = "", token = ""] = (await done("worker", "register", ...which))
      .trim()
      .split(":");
    expect(organization).toBe("0195c2a0-0000-7000-8000-000000000001");
    expect(
      query(`select token_hash from worker_registrations where worker_id = '${WORKER}'`),
    ).toEqual([{ token_hash: sha256Hex(token) }]);
    expect(query(`select kind from notices where subject = '${WORKER}'`)).toEqual([
      { kind: "worker" },
    ]);
    expect((await list("worker", "list"))[0]).toMatchObject({ worker_id: WORKER, last_seen: null });
    await done("worker", "remove", ...which);
    expect((await run("worker", "remove", ...which)).err).toContain("is not registered");
  });

  test("is let in with its new key, when that is the one that it has shown", async () => {
    query(
      `insert into workers (id, public_key, pending_public_key, epoch, last_seen_at) values ('${WORKER}', 'w:old', 'w:new', 1, 1) returning id`,
    );
    const approve = (key: string) =>
      run("worker", "approve-key", "--worker-id", WORKER, "--public-key", key);
    expect((await approve("w:other")).err).toContain("has shown another key meanwhile: w:new");
    expect((await approve("w:new")).exitCode).toBe(0);
    expect(query(`select public_key from workers where id = '${WORKER}'`)).toEqual([
      { public_key: "w:new" },
    ]);
  });
});

describe("a project", () => {
  const site = ["--organization", "acme", "--project", "site"];

  test("is switched off and on", async () => {
    await done("project", "deactivate", ...site);
    expect((await list("project", "list"))[1].active).toBe(false);
    await done("project", "activate", ...site);
    expect((await list("project", "list"))[1].active).toBe(true);
  });

  test("is evaluated on the branch that it polls, once at a time, and tells the daemon", async () => {
    const id = (await done("project", "evaluate", ...site)).trim();
    const where = `where id = '${id}'`;
    expect(query(`select state, reference from evaluations ${where}`)).toEqual([
      { state: "Queued", reference: "refs/heads/main" },
    ]);
    expect(query(`select kind from notices where subject = '${id}'`)).toEqual([
      { kind: "evaluation" },
    ]);
    const again = await run("project", "evaluate", ...site);
    expect([again.exitCode, again.err]).toEqual([1, expect.stringContaining("active evaluation")]);
    const shown = JSON.parse(await done("project", "show", ...site, "--json"));
    expect(shown.evaluations).toMatchObject([{ evaluation: id, state: "Queued", finished: null }]);
    expect(shown.triggers).toContainEqual(expect.objectContaining({ trigger: "polling" }));
    expect(await done("project", "show", ...site)).toMatch(/^trigger .*\npolling .*\n/);
  });

  test("is made, and deleted with its evaluations", async () => {
    const made = ["--organization", "acme", "--project", "made"];
    const facts = ["--repository", "https://example.org/made.git", "--username", "alice"];
    const id = (await done("project", "create", ...made, ...facts)).trim();
    expect(query(`select name from projects where id = '${id}'`)).toEqual([{ name: "made" }]);
    const again = await run("project", "create", ...made, ...facts);
    expect([again.exitCode, again.err]).toEqual([1, expect.stringContaining("exists already")]);
    await done("project", "evaluate", ...made);
    await done("project", "delete", ...made);
    expect(query(`select id from evaluations where project_id = '${id}'`)).toEqual([]);
    expect((await run("project", "show", ...made)).err).toContain('project "acme/made" does not');
  });

  test("with an active evaluation is not deleted beside the coordinator that does it", async () => {
    const held = tryLockDataDir(dataDir);
    const { exitCode, err } = await run("project", "delete", ...site);
    held?.[Symbol.dispose]();
    expect([exitCode, err]).toEqual([1, expect.stringContaining("has the active evaluation")]);
  });
});

describe("a cache", () => {
  test("is made for an organization with a key, and deleted", async () => {
    const which = ["--cache", "third"];
    const who = ["--username", "alice", "--organization", "acme"];
    const key = await done("cache", "create", ...which, ...who, "--public");
    expect(key).toMatch(/^[\w.-]*third:[A-Za-z0-9+/]{43}=\n$/);
    expect((await list("cache", "list"))[2]).toMatchObject({ name: "third", public: true });
    const told = () => query("select id from notices where kind = 'caches_of'").length;
    const subscribed = told();
    await done("cache", "delete", ...which);
    expect([subscribed > 0, told()]).toEqual([true, subscribed + 1]);
    expect((await run("cache", "keys", ...which)).err).toContain('cache "third" does not exist');
  });

  test("gets a further key, and the old one is retired when the new one signs everything", async () => {
    const which = ["--cache", "main"];
    const key = await done("cache", "rotate", ...which, "--name", "main-2");
    expect(key).toMatch(/^main-2:[A-Za-z0-9+/]{43}=\n$/);
    const [first] = await list("cache", "keys", ...which);
    const retire = () => run("cache", "retire-key", ...which, "--key-id", first.id);
    expect((await retire()).err).toContain("no other key");
    query("update cache_keys set is_complete = 1 returning id");
    expect((await retire()).exitCode).toBe(0);
    expect(await list("cache", "keys", ...which)).toMatchObject([
      { state: "retired" },
      { state: "active", public_key: key.trim() },
    ]);
  });

  test("pins only what it shows", async () => {
    const path = "/nix/store/00000000000000000000000000000000-x";
    const pinned = await run("cache", "pin", "--cache", "main", "--path", path);
    expect([pinned.exitCode, pinned.err]).toEqual([1, expect.stringContaining("has no path")]);
    expect(await list("cache", "pins", "--cache", "main")).toEqual([]);
    expect((await run("cache", "unpin", "--cache", "main", "--pin-id", "x")).exitCode).toBe(1);
  });
});

test("what a state file declares is left to the file", async () => {
  const refused = async (...args: string[]) =>
    (await line.run([...args, "--data-dir", declaredDir])).err;
  expect(await refused("user", "set-superuser", "--username", "bob")).toContain("is managed by");
  const project = ["--organization", "acme", "--project", "site"];
  expect(await refused("project", "deactivate", ...project)).toContain("is managed by");
  expect(await refused("project", "delete", ...project)).toContain("is managed by");
  expect(await refused("cache", "delete", "--cache", "main")).toContain("is managed by");
  expect(await refused("user", "delete", "--username", "bob")).toContain("is managed by");
  const worker = ["--organization", "acme", "--worker-id", DECLARED_WORKER];
  expect(await refused("worker", "remove", ...worker)).toContain("remove it there");
});
