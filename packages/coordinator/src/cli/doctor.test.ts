import { chmodSync, cpSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestMailServer } from "../mail/mail-server.test-support.ts";
import { stateWithSecrets } from "../state/secret-files.test-support.ts";
import { CommandLine } from "./cli.test-support.ts";

let line: CommandLine;
let healthy: string;
let directories = 0;

beforeAll(async () => {
  line = new CommandLine();
  healthy = join(line.directory, "healthy");
  const { state } = await stateWithSecrets(line);
  await line.done(["state", "apply", line.json(state), "--data-dir", healthy]);
});
afterAll(() => line[Symbol.dispose]());

function copy(): string {
  const dataDir = join(line.directory, `copy-${(directories += 1)}`);
  cpSync(healthy, dataDir, { recursive: true });
  return dataDir;
}

interface Told {
  exitCode: number;
  findings: { area: string; level: string; what: string; remedy: string | null }[];
}

async function examine(dataDir: string, ...extra: string[]): Promise<Told> {
  const { exitCode, out } = await line.run(["doctor", "--data-dir", dataDir, "--json", ...extra]);
  return { exitCode, ...JSON.parse(out) };
}

const badOf = ({ findings }: Told) =>
  findings.filter(({ level }) => level !== "ok").map(({ area, level }) => `${level} ${area}`);

function change(dataDir: string, sql: string): void {
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  database.exec(sql);
  database.close();
}

test("a farm that runs is examined from the inside and by its address", async () => {
  const dataDir = copy();
  change(
    dataDir,
    `insert into workers (id, public_key, epoch, last_seen_at) values ('6f9619ff-8b86-4011-b42d-00c04fc964ff', 'w:k', 1, ${Date.now()})`,
  );
  await line.run(
    [..."serve --listen 127.0.0.1:0 --log-level silent".split(" "), "--data-dir", dataDir],
    {
      text: "\n",
      act: async (out) => {
        const url = /http:\S+/.exec(out)?.[0] ?? "";
        const told = await examine(dataDir, "--serve-url", url);
        expect([told.exitCode, badOf(told)]).toEqual([0, []]);
        expect(told.findings.map(({ what }) => what)).toEqual(
          expect.arrayContaining([
            "one runs on this data directory",
            `${url} answers`,
            `WebSockets get through to ${url.replace("http", "ws")}/proto`,
          ]),
        );
      },
    },
  );
});

test("one that does not run, whose workers never came, is warned of; that is no failure", async () => {
  const told = await examine(healthy);
  expect([told.exitCode, badOf(told)]).toEqual([0, ["warning workers", "warning coordinator"]]);
  const { out } = await line.run(["doctor", "--data-dir", healthy]);
  expect(out).toContain(
    "warning  coordinator: none runs on this data directory\n         to do: start it",
  );
});

test("a crypt secret that does not belong to the database is a failure, and none is made", async () => {
  const dataDir = copy();
  writeFileSync(join(dataDir, "keys", "crypt-secret"), `${"x".repeat(40)}\n`);
  const other = await examine(dataDir);
  expect(other.exitCode).toBe(1);
  expect(badOf(other)).toContain("failure secrets");
  rmSync(join(dataDir, "keys", "crypt-secret"));
  expect(badOf(await examine(dataDir))).toContain("failure secrets");
  expect(badOf(await examine(dataDir))).toContain("failure secrets");
});

test("keys that others can read, a clock that went back, a newer database and damage are failures", async () => {
  const dataDir = copy();
  chmodSync(join(dataDir, "keys"), 0o755);
  change(dataDir, `update users set created_at = ${Date.now() + 3_600_000}`);
  change(dataDir, "insert into kysely_migration values ('9999-future', '2030')");
  const told = await examine(dataDir);
  expect(badOf(told)).toEqual(
    expect.arrayContaining(["failure data directory", "failure database"]),
  );
  change(dataDir, "delete from kysely_migration where name = '9999-future'");
  expect(badOf(await examine(dataDir))).toContain("failure clock");
  writeFileSync(join(dataDir, "farm.sqlite"), "no database at all".repeat(1000));
  const broken = await examine(dataDir);
  expect([broken.exitCode, badOf(broken)]).toEqual([
    1,
    expect.arrayContaining(["failure database"]),
  ]);
});

test("a directory that is missing is the only finding, with what to do", async () => {
  const { exitCode, findings } = await examine(join(line.directory, "missing"));
  expect([exitCode, findings.length]).toEqual([1, 1]);
  expect(findings[0]?.remedy).toContain("--data-dir");
});

test("a proxy that swallows WebSockets, and another release at the address, are failures", async () => {
  const dataDir = copy();
  const proxy = createServer((_, response) => {
    response.end(JSON.stringify({ error: false, message: { version: "0.0.0-old" } }));
  });
  proxy.on("upgrade", (_, socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => {
    proxy.listen(0, "127.0.0.1", resolve);
  });
  const address = proxy.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await line.run(
    [..."serve --listen 127.0.0.1:0 --log-level silent".split(" "), "--data-dir", dataDir],
    {
      text: "\n",
      act: async () => {
        const told = await examine(dataDir, "--serve-url", `http://127.0.0.1:${port}`);
        const bad = told.findings.filter(({ area }) => area === "serve URL");
        expect(bad.map(({ what }) => what)).toEqual([
          expect.stringContaining("release 0.0.0-old answers"),
          expect.stringContaining("WebSockets do not get through"),
        ]);
      },
    },
  );
  proxy.close();
});

test("mail server, identity provider and object store are asked, without doing anything there", async () => {
  await using mail = await new TestMailServer().listen();
  const settings =
    `--email-enabled true --email-smtp-host 127.0.0.1 --email-enable-tls false --email-from-address farm@farm.example --email-smtp-port ${mail.port}`.split(
      " ",
    );
  const good = await examine(healthy, ...settings);
  expect(good.findings.find(({ area }) => area === "mail")?.level).toBe("ok");
  expect(mail.received).toEqual([]);
  const secret = line.file("secret");
  const nobody =
    `--email-enabled true --oidc-enabled true --oidc-discovery-url http://127.0.0.1:1 --oidc-client-id x --oidc-client-secret-file ${secret} --object-store s3://nars/farm?endpoint=http://127.0.0.1:1`.split(
      " ",
    );
  const bad = await examine(healthy, ...nobody);
  expect(badOf(bad)).toEqual(
    expect.arrayContaining(["warning mail", "failure single sign-on", "failure object store"]),
  );
});
