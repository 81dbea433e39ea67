import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test("what a page loads is there under its hashed name, for a year, packed for those who take it", async () => {
  const page = await server.get("/account/cli-authorize");
  const addresses = [...page.text.matchAll(/"(\/static\/[^"]+)"/g)].map(([, address]) => address);
  expect(addresses).toHaveLength(3);
  for (const address of addresses) {
    expect(address).toMatch(/^\/static\/\w+-[\w-]{8}\.(?:css|js|svg)$/);
    const file = await fetch(server.url + address);
    expect([file.status, file.headers.get("cache-control")]).toEqual([
      200,
      "public, max-age=31536000, immutable",
    ]);
    expect(file.headers.get("content-type")).toMatch(/^(?:text|image)\/[\w+]+; charset=utf-8$/);
    expect(file.headers.get("content-encoding")).toBe("gzip");
    const plain = await fetch(server.url + address, { headers: { "accept-encoding": "identity" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(await plain.text()).toBe(await file.text());
  }
});

test("a file of another release is told to be gone", async () => {
  const answer = await server.get("/static/style-AAAAAAAA.css");
  expect([answer.status, answer.headers.get("content-type")]).toEqual([
    404,
    "text/html; charset=utf-8",
  ]);
});
