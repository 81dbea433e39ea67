import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPrinted, stepsOf } from "../support/documents.ts";
import { root } from "../support/programs.ts";
import { installEnvironment } from "../support/installed.ts";
import { ThrowawayMachine } from "../support/throwaway-machine.ts";

/** In the order in which a newcomer reads them: each goes on with the machine as the one before has left it. */
const inOrder = [
  "README.md",
  "docs/install.md",
  "docs/first-project.md",
  "docs/clients.md",
  "docs/accounting.md",
  "docs/farm.md",
  "docs/alone.md",
  "docs/worker.md",
  "docs/operations.md",
];

/** Lines of the README that these tests are part of, that take as long, or that `npm start` has done. */
const NOT_FOLLOWED = /\bnpm (?:test|run (?:setup|check|bench))\b/;

/** It goes on until it is stopped, and is stopped when it has shown everything. */
const START = `
  npm start > /tmp/start.log 2>&1 &
  until grep -q 'The farm stays up' /tmp/start.log; do
    kill -0 $! || { cat /tmp/start.log; false; }
    sleep 0.2
  done
  kill $!
  wait $! || true
`;

/** Of the README: the other documents are followed to the letter. */
function asFollowed(path: string, commands: string): string {
  if (path !== "README.md") return commands;
  const lines = commands.split("\n").filter((line) => !NOT_FOLLOWED.test(line));
  return lines.map((line) => (/^npm start\b/.test(line) ? START : line)).join("\n");
}

/** What systemd does with the worker as the documents have left it, while a build waits that only its own gate lets end. */
const WORKER_UNIT = `
  . /root/farm-api.sh
  mkdir -p /srv/gate
  echo 'extra-sandbox-paths = /srv/gate' >> /etc/nix/nix.conf
  daemon() { systemctl show -p MainPID --value gradient-worker; }
  live() { until [ "$(daemon)" != "$1" ] && api GET /orgs/acme/workers | jq -e '.[0].live' > /dev/null; do sleep 0.2; done; }
  first=$(daemon)
  systemctl restart gradient-worker
  live "$first"

  git init -q -b main /srv/git/waits
  cat > /srv/git/waits/default.nix <<'NIX'
  { waits = derivation {
      name = "waits"; system = builtins.currentSystem; builder = "/bin/sh";
      args = [ "-euc" "while ! [ -e /srv/gate/open ]; do sleep 0.1; done; echo > $out" ];
    }; }
NIX
  git -C /srv/git/waits add default.nix
  git -C /srv/git/waits -c user.name=Alice -c user.email=alice@example.org commit -q -m Wait
  api PUT /projects/acme '{"name":"waits","display_name":"Waits","repository":"git://127.0.0.1/waits","wildcard":"**"}'
  EVALUATION=$(api POST /projects/acme/waits/evaluate | jq -r .)
  until api GET "/evals/$EVALUATION/builds" | jq -e '.builds[0].status == "Building"' > /dev/null; do sleep 0.2; done
  BUILD=$(api GET "/evals/$EVALUATION/builds" | jq -r '.builds[0].id')
  attempt() { api GET "/builds/$BUILD" | jq .attempt; }
  begun=$(attempt)

  first=$(daemon)
  systemctl restart gradient-worker
  live "$first"
  second=$(daemon)
  kill -KILL "$second"
  live "$second"
  [ "$(systemctl show -p NRestarts --value gradient-worker)" = 1 ]

  touch /srv/gate/open
  until api GET "/evals/$EVALUATION" | jq -e '.status == "Completed"' > /dev/null; do sleep 0.2; done
  [ "$(attempt)" = "$begun" ]

  gradient-worker drain --wait
  while systemctl is-active gradient-worker; do sleep 0.2; done
  sleep "$(systemctl show -p RestartUSec --value gradient-worker)"
  [ "$(systemctl show -p ActiveState --value gradient-worker)" = inactive ]
  [ "$(systemctl show -p Result --value gradient-worker)" = success ]
`;

const FULL_DISK = `
  mkdir /srv/full
  mount -t tmpfs -o size=8M tmpfs /srv/full
  gradient-coordinator migrate --data-dir /srv/full
  head -c 16M /dev/zero > /srv/full/filler || true
  gradient-coordinator user list --data-dir /srv/full || true
`;

/** An older systemd starts no service beside control groups of its own where these are of version 2. */
const endsBuilds = await (async () => {
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers")) return false;
  const { stdout } = await execa("systemctl", ["--version"], { reject: false });
  return Number(/^systemd (\d+)/.exec(stdout ?? "")?.[1] ?? 0) < 254;
})();

const whyNot = await ThrowawayMachine.whyNot();
if (whyNot !== undefined) process.stderr.write(`documents are not followed: ${whyNot}\n`);

describe.skipIf(whyNot !== undefined)("the documents", { timeout: 300_000 }, () => {
  let machine: ThrowawayMachine;
  beforeAll(async () => {
    machine = await ThrowawayMachine.start();
  });
  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
  });

  test.each(inOrder)("%s works as it is written", async (path) => {
    using shell = machine.shell(await installEnvironment());
    for (const { line, commands, output } of stepsOf(await readFile(join(root, path), "utf8"))) {
      const { ok, printed } = await shell.run(asFollowed(path, commands), 250_000);
      const place = `${path}:${line}\n${commands}\n--- printed:\n${printed}`;
      expect(ok, place).toBe(true);
      if (output !== undefined)
        expect(isPrinted(output, printed), `${place}\n--- expected:\n${output}`).toBe(true);
    }
  });

  test.skipIf(endsBuilds)(
    "systemd restarts a worker beside its build, brings it back after a crash, and leaves it drained",
    async () => {
      using shell = machine.shell(await installEnvironment());
      const { ok, printed } = await shell.run(WORKER_UNIT, 250_000);
      expect(ok, printed).toBe(true);
    },
  );

  test("the coordinator's journal tells of no fault after all that", async () => {
    using shell = machine.shell(await installEnvironment());
    const { printed } = await shell.run(
      `journalctl --quiet --output=cat --unit=gradient-coordinator | grep -E '"level":[56]0' || true`,
      10_000,
    );
    expect(printed).toBe("");
  });

  test("a farm that does not start on a full disk says that it is the disk", async () => {
    using shell = machine.shell(await installEnvironment());
    const { printed } = await shell.run(FULL_DISK, 30_000);
    expect(printed).toContain("cannot be opened: its disk is full");
  });

  test("every document with commands is followed", async () => {
    const documents = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"));
    const withCommands: string[] = [];
    for (const path of ["README.md", ...documents.map((name) => `docs/${name}`)])
      if (stepsOf(await readFile(join(root, path), "utf8")).length > 0) withCommands.push(path);
    expect(withCommands.toSorted()).toEqual(inOrder.toSorted());
  });
});
