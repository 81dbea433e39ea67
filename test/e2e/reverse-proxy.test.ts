import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { hasCaddy, startCaddy, startNginx, type TestProxy } from "../support/proxies.ts";

const PROXIES = [
  { name: "nginx", isThere: true, start: startNginx },
  { name: "caddy", isThere: hasCaddy, start: startCaddy },
];

let farm: TestFarm;
beforeAll(async () => {
  farm = await TestFarm.start();
});
afterAll(async () => {
  await farm[Symbol.asyncDispose]();
});

/** What the connection brings, as soon as it comes. */
async function readUntil(answer: IncomingMessage, text: string): Promise<string> {
  let read = "";
  for await (const chunk of answer) {
    read += String(chunk);
    if (read.includes(text)) break;
  }
  return read;
}

describe.each(PROXIES)("through $name", ({ name, isThere, start }) => {
  let proxy: TestProxy;
  beforeAll(async () => {
    if (isThere) proxy = await start(farm.port);
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
  });

  test.skipIf(!isThere)("its site is good as it is shipped", async () => {
    expect(await proxy.checkShipped()).toBe("");
  });

  test.skipIf(!isThere)(
    "a worker serves, pages are told of it, and logs come while they are written",
    async () => {
      const gates = join(farm.directory, `gates-${name}`);
      await mkdir(gates);
      const settings = [`sandbox-paths = ${gates}`];
      const worker = await farm.addWorker(name, { port: proxy.port, settings });
      await eventually("the worker's session", 30_000, async () =>
        worker.log.includes("session accepted") ? true : null,
      );
      const gate = join(gates, "open");
      const wait = `while [ ! -e ${gate} ]; do sleep 0.05; done`;
      const text = expression(
        `{ slow = mk "slow-${name}" "echo begun; ${wait}; echo done > $out" { }; }`,
      );
      const project = await farm.addFilesProject(`slow-${name}`, "*", { "default.nix": text });
      const evaluation = await farm.evaluate(project);
      const authorization = `Bearer ${farm.api.token}`;
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/api/v1/evals/${evaluation}/live`, {
        headers: { authorization },
      });
      const frames: string[] = [];
      socket.on("message", (data: Buffer) => frames.push(data.toString()));
      await eventually("the build", 60_000, async () => {
        const builds = await farm.api.builds(evaluation);
        return builds.some(({ status }) => status === "Building") ? true : null;
      });
      const url = `http://127.0.0.1:${proxy.port}/api/v1/evals/${evaluation}/builds`;
      const following = request(url, { method: "POST", headers: { authorization } }).end();
      const [answer] = (await once(following, "response")) as [IncomingMessage];
      expect(await readUntil(answer, "begun")).toContain("begun");
      following.destroy();
      await writeFile(gate, "");
      expect((await farm.ended(evaluation, 60_000)).status, farm.logs()).toBe("Completed");
      await eventually("a frame", 10_000, async () => (frames.length > 0 ? true : null));
      socket.terminate();
      await worker.stop();
    },
    120_000,
  );

  test.skipIf(!isThere)(
    "a client is known by its own address, whatever it says of it",
    async () => {
      const login = request(`http://127.0.0.1:${proxy.port}/api/v1/auth/basic/login`, {
        method: "POST",
        // Its own address is not one of a proxy that is trusted.
        localAddress: "127.0.0.2",
        headers: { "content-type": "application/json", "x-forwarded-for": "203.0.113.7" },
      });
      login.end(JSON.stringify({ loginname: "alice", password: farm.password }));
      const [answer] = (await once(login, "response")) as [IncomingMessage];
      answer.resume();
      expect(answer.statusCode).toBe(200);
      const [newest] = await farm.api.call<{ ip: string }[]>("GET", "/user/sessions");
      expect(newest?.ip).toBe("127.0.0.2");
    },
  );

  test.skipIf(!isThere)(
    "a large path comes in and goes out",
    async () => {
      const [from, to] = [join(farm.directory, `from-${name}`), join(farm.directory, `to-${name}`)];
      const source = await NixRoot.make(from);
      const sink = await NixRoot.make(to);
      for (const { env } of [source, sink])
        if (proxy.authority !== null) env["NIX_SSL_CERT_FILE"] = proxy.authority;
      try {
        const file = join(farm.directory, `large-${name}`);
        const bytes = randomBytes(64 * 1024 * 1024);
        await writeFile(file, bytes);
        const path = (await source.nix("nix-store", ["--add", file])).trim();
        const { publicKey } = await farm.cache();
        const address = new URL(`${proxy.url}/cache/main?compression=none`);
        [address.username, address.password] = ["any", String(farm.api.token)];
        const copy = [
          "--extra-experimental-features",
          "nix-command",
          "copy",
          "--to",
          address.href,
          path,
        ];
        await source.nix("nix", copy);
        await sink.substitute(path, { url: `${proxy.url}/cache/main`, publicKey });
        expect(bytes.equals(await readFile(sink.physical(path)))).toBe(true);
      } finally {
        await source.remove();
        await sink.remove();
      }
    },
    120_000,
  );
});
