import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { AddressRules } from "./address-rules.ts";
import { OutboundClient } from "./outbound-client.ts";
import type { Resolve } from "./connector.ts";

const LOOPBACK = ["127.0.0.0/8", "::1/128"];

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

function client(options: { allowedRanges?: string[]; resolve?: Resolve } = {}): OutboundClient {
  const made = new OutboundClient({ allowedRanges: LOOPBACK, ...options });
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

/** A resolver in which every name has the next of these addresses. */
function resolver(...addresses: string[]): Resolve & { asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = (name, callback) => {
    asked.push(name);
    callback(null, [{ address: addresses.shift() ?? "192.0.2.1", family: 4 }]);
  };
  return Object.assign(resolve, { asked });
}

describe("addresses", () => {
  test.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
    "::ffff:1.1.1.1",
    "2002:7f00:1::",
    "not-an-address",
  ])("%s is refused", (address) => {
    expect(new AddressRules([]).isAllowed(address)).toBe(false);
  });

  test.each(["1.1.1.1", "172.32.0.1", "2606:4700:4700::1111"])("%s is allowed", (address) => {
    expect(new AddressRules([]).isAllowed(address)).toBe(true);
  });

  test("what an administrator listed is allowed, and nothing beside it", () => {
    const rules = new AddressRules(["10.1.0.0/16", "::1/128"]);
    expect(rules.isAllowed("10.1.2.3")).toBe(true);
    expect(rules.isAllowed("::1")).toBe(true);
    expect(rules.isAllowed("10.2.0.1")).toBe(false);
  });
});

test("an answer comes whole, with its status", async () => {
  const port = await serve((request, response) => {
    response.statusCode = 418;
    request.pipe(response);
  });
  const answer = await client().ask({
    url: `http://127.0.0.1:${port}/x`,
    method: "POST",
    body: "tea",
  });
  expect(answer.status).toBe(418);
  expect(answer.body.toString()).toBe("tea");
});

test.each([
  "http://127.0.0.1:1/",
  "http://2130706433/",
  "http://0x7f.1/",
  "http://[::1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://169.254.169.254/latest/meta-data",
  "ftp://example.com/",
  "file:///etc/passwd",
  "https://user:secret@example.com/",
  "nonsense",
])("%s is refused before anything is asked", async (url) => {
  const outbound = client({ allowedRanges: [] });
  expect(() => outbound.check(url)).toThrow(/cannot be used/);
  await expect(outbound.ask({ url })).rejects.toMatchObject({ code: "address_refused" });
});

test("a refusal does not repeat what may be secret", () => {
  const outbound = client({ allowedRanges: [] });
  expect(() => outbound.check("https://user:secret@example.com/?token=secret")).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining("secret") }),
  );
});

test("a public name that resolves to a private address is refused", async () => {
  const outbound = client({ allowedRanges: [], resolve: resolver("127.0.0.1") });
  await expect(outbound.ask({ url: "http://forge.example/" })).rejects.toMatchObject({
    code: "address_refused",
    message: expect.stringContaining("127.0.0.1"),
  });
});

test("the connection goes to the address that was looked at, not to what the name says later", async () => {
  const port = await serve((request, response) => response.end(request.headers.host));
  const resolve = resolver("127.0.0.1", "10.0.0.1");
  const answer = await client({ resolve }).ask({ url: `http://forge.example:${port}/` });
  expect(answer.body.toString()).toBe(`forge.example:${port}`);
  expect(resolve.asked).toEqual(["forge.example"]);
});

test("a redirect to a private address is refused", async () => {
  const port = await serve((_request, response) => {
    response.writeHead(302, { location: "http://10.0.0.1/admin" }).end();
  });
  await expect(client().ask({ url: `http://127.0.0.1:${port}/` })).rejects.toMatchObject({
    code: "address_refused",
    message: expect.stringContaining("10.0.0.1"),
  });
});

test("a redirect is followed, and another origin does not see the secrets", async () => {
  const seen: (string | undefined)[] = [];
  const other = await serve((request, response) => {
    seen.push(request.headers.authorization, request.headers.accept);
    response.end("there");
  });
  const port = await serve((request, response) => {
    seen.push(request.headers.authorization);
    const location = request.url === "/" ? "/next" : `http://127.0.0.1:${other}/`;
    response.writeHead(302, { location }).end();
  });
  const answer = await client().ask({
    url: `http://127.0.0.1:${port}/`,
    headers: { authorization: "Bearer x", accept: "text/plain" },
  });
  expect(answer.body.toString()).toBe("there");
  expect(answer.url.port).toBe(String(other));
  expect(seen).toEqual(["Bearer x", "Bearer x", undefined, "text/plain"]);
});

test("redirects without an end are left", async () => {
  const port = await serve((_request, response) => {
    response.writeHead(301, { location: "/" }).end();
  });
  await expect(client().ask({ url: `http://127.0.0.1:${port}/` })).rejects.toMatchObject({
    code: "redirect_refused",
  });
});

test("what was posted is not posted elsewhere", async () => {
  const port = await serve((_request, response) => {
    response.writeHead(307, { location: "/elsewhere" }).end();
  });
  const answer = await client().ask({
    url: `http://127.0.0.1:${port}/`,
    method: "POST",
    body: "x",
  });
  expect(answer.status).toBe(307);
});

test("an answer that is too long is cut off", async () => {
  const port = await serve((_request, response) => {
    response.write("x".repeat(1000));
    response.write("y".repeat(1000));
  });
  await expect(
    client().ask({ url: `http://127.0.0.1:${port}/`, maxBytes: 1500 }),
  ).rejects.toMatchObject({ code: "answer_too_large" });
});

test("who does not answer is waited for until the deadline", async () => {
  const port = await serve(() => undefined);
  await expect(
    client().ask({ url: `http://127.0.0.1:${port}/`, deadlineMs: 50 }),
  ).rejects.toMatchObject({ code: "timeout" });
});

test("an answer that never ends is waited for until the deadline", async () => {
  const port = await serve((_request, response) => void response.write("x"));
  await expect(
    client().ask({ url: `http://127.0.0.1:${port}/`, deadlineMs: 50 }),
  ).rejects.toMatchObject({ code: "timeout" });
});

test("nobody there is told as such, and may be tried again", async () => {
  const port = await serve((_request, response) => response.socket?.destroy());
  const error: unknown = await client()
    .ask({ url: `http://127.0.0.1:${port}/` })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "unreachable" });
  expect((error as { shouldRetry(): boolean }).shouldRetry()).toBe(true);
});
