import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { TestCoordinator } from "../testing/test-coordinator.ts";
import { checkCoordinator } from "./coordinator.ts";
import { type Finding, Findings } from "./finding.ts";

async function check(server: URL | null): Promise<Map<string, Finding>> {
  const findings = new Findings("coordinator");
  await checkCoordinator(findings, server);
  return new Map(findings.list.map((finding) => [finding.name, finding]));
}

async function listening(server: Server): Promise<URL> {
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/proto`);
}

test("a coordinator that answers is well, and nothing was said to it", async () => {
  await using coordinator = await TestCoordinator.start();
  const findings = await check(coordinator.url);
  expect(findings.get("link")).toMatchObject({ status: "ok" });
  expect(findings.get("clock")).toMatchObject({ status: "ok" });
  expect(coordinator.received).toEqual([]);
});

test("without one there is nothing to reach", async () => {
  expect((await check(null)).get("link")?.status).toBe("ok");
});

test("an address at which nothing listens is a failure", async () => {
  const url = new URL("ws://127.0.0.1:1/proto");
  expect((await check(url)).get("link")).toMatchObject({
    status: "failure",
    found: expect.stringContaining("ECONNREFUSED"),
  });
});

test("a server that is no coordinator is a failure", async () => {
  const url = await listening(
    createServer((_request, response) => {
      response.statusCode = 404;
      response.end();
    }),
  );
  expect((await check(url)).get("link")).toMatchObject({
    status: "failure",
    found: expect.stringContaining("404"),
  });
});

test("an address that is wss where nobody speaks TLS is told in one line", async () => {
  const url = await listening(createServer());
  url.protocol = "wss:";
  expect((await check(url)).get("link")).toMatchObject({
    status: "failure",
    found: expect.stringMatching(/: TLS failed: [a-z ]+$/),
  });
});

test("a clock that differs by an hour is a warning that says in which direction", async () => {
  const server = createServer((_request, response) => {
    response.setHeader("date", new Date(Date.now() - 3_600_000).toUTCString());
    response.end();
  });
  const sockets = new WebSocketServer({ server, path: "/proto" });
  onTestFinished(() => sockets.close());
  const clock = (await check(await listening(server))).get("clock");
  expect(clock?.status).toBe("warning");
  expect(clock?.found).toMatch(/^this machine is 3[56]\d\d s ahead of the coordinator$/);
});
