import { Socket } from "node:net";
import { expect, test } from "vitest";
import { PlainRequests } from "./plain-request.ts";

const LINE = "GET /cache/main/nix-cache-info HTTP/1.1";
const HOST = "Host: farm";

/** Lines as one request, with nothing behind them. */
function head(...lines: string[]): Buffer {
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

function read(bytes: Buffer) {
  return new PlainRequests(new Socket()).read(bytes);
}

test("what Nix sends is read", () => {
  const found = read(
    head(
      LINE,
      HOST,
      "User-Agent: curl/7.85.0 Nix/2.8.0",
      "Accept: */*",
      "Accept-Encoding: zstd,br,gzip,deflate,bzip2,xz ",
    ),
  );
  expect(found).toMatchObject({ method: "GET", url: "/cache/main/nix-cache-info" });
  expect(found?.headers).toEqual({
    host: "farm",
    "user-agent": "curl/7.85.0 Nix/2.8.0",
    accept: "*/*",
    "accept-encoding": "zstd,br,gzip,deflate,bzip2,xz",
  });
});

test("each request has its own line and headers", () => {
  const requests = new PlainRequests(new Socket());
  const headers = [HOST, "X-Request-Id: one"];
  expect(requests.read(head(LINE, ...headers))?.headers["x-request-id"]).toBe("one");
  const second = requests.read(head("HEAD /cache/main/x HTTP/1.1", ...headers));
  expect([second?.method, second?.url]).toEqual(["HEAD", "/cache/main/x"]);
  const third = requests.read(head(LINE, HOST, "X-Request-Id: three"));
  expect(third?.headers["x-request-id"]).toBe("three");
  expect(requests.read(head(LINE, HOST))?.headers["x-request-id"]).toBeUndefined();
});

test.each([
  ["a piece of a head", Buffer.from(`${LINE}\r\n${HOST}\r\n`)],
  ["the beginning of the end of a head", Buffer.from(`${LINE}\r\n${HOST}\r\n\r`)],
  ["two requests", Buffer.concat([head(LINE, HOST), head(LINE, HOST)])],
  ["something behind the head", Buffer.concat([head(LINE, HOST), Buffer.from("x")])],
  ["a long head", head(LINE, HOST, `Accept: ${"x".repeat(5000)}`)],
  ["nothing", Buffer.alloc(0)],
  ["another method", head(LINE.replace("GET", "POST"), HOST)],
  ["another version", head(LINE.replace("1.1", "1.0"), HOST)],
  ["what is no cache", head("GET /api/v1/health HTTP/1.1", HOST)],
  ["a whole address", head("GET http://farm/cache/main/x HTTP/1.1", HOST)],
  ["a space in the path", head("GET /cache/a b HTTP/1.1", HOST)],
  ["bare line feeds", Buffer.from(`${LINE}\n${HOST}\n\n`)],
  ["a line feed within a header", head(LINE, `${HOST}\nAccept: x`)],
  ["no host", head(LINE)],
  ["two hosts", head(LINE, HOST, HOST)],
  ["a header twice", head(LINE, HOST, "Accept: a", "accept: b")],
  ["a folded header", head(LINE, HOST, "Accept: a", " b")],
  ["a space before the colon", head(LINE, "Host : farm")],
  ["a header that is no ASCII", head(LINE, HOST, "Accept: \u00e9")],
  ["a body", head(LINE, HOST, "Content-Length: 1")],
  ["a body in chunks", head(LINE, HOST, "Transfer-Encoding: chunked")],
  ["an expectation", head(LINE, HOST, "Expect: 100-continue")],
  ["an upgrade", head(LINE, HOST, "Connection: Upgrade", "Upgrade: x")],
  ["the wish to end", head(LINE, HOST, "Connection: close")],
  ["a range", head(LINE, HOST, "Range: bytes=0-1")],
  ["a header that nobody knows", head(LINE, HOST, "X-Unknown: x")],
])("%s is left to Node", (_what, bytes) => {
  expect(read(bytes)).toBeNull();
});
