import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256Hex } from "../auth/random-token.ts";
import { PASSWORD, stateWithSecrets } from "../state/secret-files.test-support.ts";
import { CommandLine, type Run } from "./cli.test-support.ts";

let line: CommandLine;
let declared: Awaited<ReturnType<typeof stateWithSecrets>>;
let directories = 0;
/** A directory that the example was applied to, to be copied. */
let template: string;
let firstRun: Run;

beforeAll(async () => {
  line = new CommandLine();
  declared = await stateWithSecrets(line);
  template = freshDir();
  firstRun = await apply(template, declared.state);
});
afterAll(() => line[Symbol.dispose]());

const freshDir = (): string => join(line.directory, `data-${(directories += 1)}`);

async function apply(dataDir: string, state: unknown, extra: string[] = []) {
  return line.run(["state", "apply", line.json(state), "--data-dir", dataDir, ...extra]);
}

function appliedDir(): string {
  const dataDir = freshDir();
  cpSync(template, dataDir, { recursive: true });
  return dataDir;
}

function query<T>(dataDir: string, sql: string): T[] {
  const database = new Sqlite(join(dataDir, "farm.sqlite"), { readonly: true });
  try {
    return database.prepare<[], T>(sql).all();
  } finally {
    database.close();
  }
}

/** Every row that a person may have made. */
function rowsOf(dataDir: string): unknown {
  const tables =
    "users organizations organization_members roles integrations projects project_flake_inputs triggers actions caches cache_members cache_keys cache_upstreams cache_subscriptions cache_backfills worker_registrations workers api_keys audit_events notices";
  return tables.split(" ").map((table) => query(dataDir, `select * from ${table} order by 1, 2`));
}

const exported = async (dataDir: string) =>
  JSON.parse(await line.done(["state", "export", "--data-dir", dataDir]));

const copy = () => structuredClone(declared.state);

describe("state apply", () => {
  test("makes everything that the file declares, and nothing the second time", async () => {
    const dataDir = appliedDir();
    expect(firstRun).toMatchObject({ exitCode: 0, err: "" });
    expect(firstRun.out.split("\n")).toEqual(
      expect.arrayContaining([
        "created user alice",
        "created organization acme",
        "created role releaser",
        "created integration git",
        "created project acme/site",
        "created cache main",
        "created worker 6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "created API key ci",
      ]),
    );
    const rows = rowsOf(dataDir);
    expect(await apply(dataDir, declared.state)).toEqual({
      exitCode: 0,
      out: "nothing changes\n",
      err: "",
    });
    expect(rowsOf(dataDir)).toEqual(rows);
    expect(query(dataDir, "select id, managed, ssh_public_key from organizations")).toEqual([
      {
        id: "0195c2a0-0000-7000-8000-000000000001",
        managed: 1,
        ssh_public_key: declared.sshKey.publicKey,
      },
    ]);
    expect(query(dataDir, "select token_hash from worker_registrations")).toEqual([
      { token_hash: sha256Hex(declared.workerToken) },
    ]);
  });

  test("with --dry-run only tells what would change", async () => {
    const dataDir = freshDir();
    const dry = await apply(dataDir, declared.state, ["--dry-run", "--json"]);
    expect(JSON.parse(dry.out).changes).toContainEqual({
      action: "created",
      kind: "user",
      name: "alice",
    });
    expect(query(dataDir, "select * from users")).toEqual([]);
  });

  test("changes nothing at all when one thing cannot be made", async () => {
    const dataDir = freshDir();
    const who = "--username carol --name Carol --email bob@example.org".split(" ");
    const password = ["--password-file", line.file(PASSWORD)];
    await line.done(["user", "create", "--data-dir", dataDir, ...who, ...password]);
    const refused = await apply(dataDir, declared.state);
    expect(refused).toMatchObject({ exitCode: 1, out: "" });
    expect(refused.err).toContain("another account has the e-mail address bob@example.org");
    expect(query(dataDir, "select username from users")).toEqual([{ username: "carol" }]);
  });

  test("tells every secret that cannot be read, with its path and never what is in it", async () => {
    const state = copy();
    state.workers.build1.token_file = "/nonexistent/token";
    Object.assign(state.users.alice, { password_file: line.file("clear-text-Password1") });
    const { exitCode, err } = await apply(freshDir(), state);
    expect(exitCode).toBe(2);
    expect(err).toContain("$.workers.build1.token_file: secret file /nonexistent/token cannot be");
    expect(err).toContain("$.users.alice.password_file: ");
    expect(err).not.toContain("clear-text");
  });

  test("takes over what is there by its name, and makes members those of the file", async () => {
    const dataDir = appliedDir();
    const state = copy();
    state.organizations.acme.members[1].role = "View";
    state.projects.site.triggers[0].config.interval_secs = 120;
    state.projects.site.actions[0].events = ["evaluation.failed"];
    state.projects.site.actions.pop();
    Object.assign(state.projects.site.flake_input_overrides, {
      nixpkgs: { url: "github:NixOS/nixpkgs/master" },
      systems: { url: "github:nix-systems/default" },
    });
    Object.assign(state.projects.site, { display_name: "The site" });
    Object.assign(state.users.bob, { name: "Bobby" });
    const { out } = await apply(dataDir, state);
    expect(out.trim().split("\n").toSorted()).toEqual([
      "changed members of organization acme",
      "changed project acme/site",
      "changed user bob",
    ]);
    expect(query(dataDir, "select name, events_json from actions order by name")).toEqual([
      { name: "chat", events_json: '["evaluation.failed"]' },
      { name: "statuses", events_json: "[]" },
    ]);
    const inputs = "select input_name, url from project_flake_inputs order by input_name";
    expect(query(dataDir, inputs)).toEqual([
      { input_name: "nixpkgs", url: "github:NixOS/nixpkgs/master" },
      { input_name: "systems", url: "github:nix-systems/default" },
    ]);
    expect(query(dataDir, "select role from organization_members order by role")).toEqual([
      { role: "Admin" },
      { role: "View" },
    ]);
  });

  test("moves an alias from one project to another, but takes none from a project of somebody else", async () => {
    const dataDir = appliedDir();
    const aliases = () => query(dataDir, "select name, alias from projects order by name");
    const { site, library } = copy().projects;
    const { alias, ...rest } = site;
    const moved = { ...copy(), projects: { site: rest, library: { ...library, alias } } };
    const { out } = await apply(dataDir, moved);
    expect(out.trim().split("\n")).toEqual([
      "changed alias of project acme/site",
      "changed alias of project acme/library",
    ]);
    expect(aliases()).toEqual([
      { name: "library", alias: "guix" },
      { name: "site", alias: null },
    ]);
    await apply(dataDir, { ...copy(), projects: { library: moved.projects.library } });
    const database = new Sqlite(join(dataDir, "farm.sqlite"));
    database.exec("update projects set managed = 0, name = 'own'");
    database.close();
    const { exitCode, err } = await apply(dataDir, declared.state);
    expect([exitCode, err]).toEqual([1, expect.stringContaining('alias "guix" of acme/site')]);
    expect(aliases()).toEqual([{ name: "own", alias: "guix" }]);
  });

  test("renames an account by its address, and an organization by its id", async () => {
    const dataDir = appliedDir();
    const before = query<{ id: string }>(dataDir, "select id from users where username = 'bob'");
    const state = JSON.parse(
      JSON.stringify(declared.state)
        .replaceAll('"bob"', '"robert"')
        .replaceAll('"acme"', '"acme-corp"'),
    );
    expect((await apply(dataDir, state)).err).toBe("");
    expect(query(dataDir, "select id from users where username = 'robert'")).toEqual(before);
    expect(query(dataDir, "select name from organizations")).toEqual([{ name: "acme-corp" }]);
    expect(query(dataDir, "select username from users where username = 'bob'")).toEqual([]);
  });
});

describe("what left the file", () => {
  const rest = () => {
    const { users, organizations, roles } = copy();
    return { users, organizations, roles };
  };

  test("is removed, and nothing that users have made", async () => {
    const dataDir = appliedDir();
    const { out } = await apply(dataDir, rest());
    expect(out.trim().split("\n").toSorted()).toEqual([
      "removed API key ci",
      "removed cache main",
      "removed cache second",
      "removed integration git",
      "removed integration told",
      "removed project library",
      "removed project site",
      "removed worker 6f9619ff-8b86-4011-b42d-00c04fc964ff",
    ]);
    expect(query(dataDir, "select * from projects")).toEqual([]);
    await apply(dataDir, {});
    expect(query(dataDir, "select * from users")).toEqual([]);
  });

  test("stays with --delete-state false, and can be changed by everybody again", async () => {
    const dataDir = appliedDir();
    const { out } = await apply(dataDir, rest(), ["--delete-state", "false"]);
    expect(out).toContain("released project site\n");
    expect(query(dataDir, "select distinct managed from projects")).toEqual([{ managed: 0 }]);
    expect((await apply(dataDir, rest())).out).toBe("nothing changes\n");
  });

  test("keeps an account that is the only Admin of something else, without letting it in", async () => {
    const dataDir = appliedDir();
    await apply(dataDir, { users: copy().users }, ["--delete-state", "false"]);
    const { out } = await apply(dataDir, {});
    expect(out).toBe("deactivated user alice\nremoved user bob\n");
    expect(query(dataDir, "select username, active, managed from users")).toEqual([
      { username: "alice", active: 0, managed: 0 },
    ]);
  });
});

describe("state export", () => {
  test("makes another farm the same, without a secret in clear", async () => {
    const dataDir = appliedDir();
    const file = await exported(dataDir);
    const text = JSON.stringify(file);
    const secrets = [
      declared.apiKey.slice(4),
      declared.workerToken,
      declared.cacheKey.reveal(),
      declared.sshKey.privateKey.split("\n")[2] ?? "",
      "hook secret",
      "forge token",
      "GRADother",
      PASSWORD,
    ];
    for (const secret of secrets) expect(text).not.toContain(secret);
    await line.done(["state", "check", line.json(file)]);
    const other = freshDir();
    mkdirSync(other);
    cpSync(join(dataDir, "keys"), join(other, "keys"), { recursive: true });
    expect(await apply(other, file)).toMatchObject({ exitCode: 0, err: "" });
    expect(await exported(other)).toEqual(file);
    expect((await apply(other, file)).out).toBe("nothing changes\n");
    expect((await apply(dataDir, file)).out).toBe("nothing changes\n");
  });

  test("is refused where secrets were sealed with another key, with what to do", async () => {
    const file = await exported(appliedDir());
    const { exitCode, err } = await apply(freshDir(), file);
    expect([exitCode, err]).toEqual([1, expect.stringContaining("give the crypt secret file")]);
  });
});

test("a revoked API key stays revoked, until the file has another one", async () => {
  const dataDir = appliedDir();
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  database.exec("update api_keys set revoked_at = 1");
  database.close();
  expect((await apply(dataDir, declared.state)).out).toBe("nothing changes\n");
  const state = copy();
  state.api_keys.ci.key_file = line.file("0".repeat(64));
  await apply(dataDir, state);
  expect(query(dataDir, "select revoked_at from api_keys")).toEqual([{ revoked_at: null }]);
});

describe("a coordinator", () => {
  const serve = (dataDir: string, extra: string[] = []) => [
    ...`serve --data-dir ${dataDir} --listen 127.0.0.1:0 --log-level silent`.split(" "),
    ...extra,
  ];
  const logIn = async (out: string) => {
    const url = /http:\S+/.exec(out)?.[0] ?? "";
    const answer = await fetch(`${url}/api/v1/auth/basic/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ loginname: "alice", password: PASSWORD }),
    });
    return { url, token: String(Object(await answer.json()).message) };
  };

  test("applies its file at start, and refuses to change what it declares", async () => {
    const dataDir = freshDir();
    const file = line.json(declared.state);
    const { exitCode, err } = await line.run(serve(dataDir, ["--state-file", file]), {
      text: "\n",
      act: async (out) => {
        const { url, token } = await logIn(out);
        const answer = await fetch(`${url}/api/v1/projects/acme/site`, {
          method: "PATCH",
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
          body: JSON.stringify({ display_name: "Other" }),
        });
        expect([answer.status, await answer.json()]).toEqual([
          403,
          expect.objectContaining({ code: "forbidden", error: true }),
        ]);
      },
    });
    expect([exitCode, err]).toEqual([0, ""]);
  });

  test("does not start with a file that is wrong", async () => {
    const file = line.json({ users: { alice: {} } });
    const { exitCode, err } = await line.run(serve(freshDir(), ["--state-file", file]));
    expect([exitCode, err]).toEqual([2, expect.stringContaining("$.users.alice.email")]);
  });

  test("is told when a file is applied beside it", async () => {
    const dataDir = appliedDir();
    await line.run(serve(dataDir), {
      text: "\n",
      act: async () => {
        const state = copy();
        Object.assign(state.workers.build1, { enable_eval: false });
        expect((await apply(dataDir, state)).exitCode).toBe(0);
        await expect
          .poll(() => query(dataDir, "select * from notices"), { timeout: 10_000 })
          .toEqual([]);
      },
    });
    expect(query(dataDir, "select enable_eval from worker_registrations")).toEqual([
      { enable_eval: 0 },
    ]);
  });
});
