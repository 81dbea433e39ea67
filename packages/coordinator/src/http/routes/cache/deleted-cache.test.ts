import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { openTestServer } from "../../server.test-support.ts";
import { file, nar, uploadOf } from "./uploads.test-support.ts";

test("what comes for a cache that is deleted meanwhile is refused", async () => {
  await using server = await openTestServer();
  const alice = await server.user("alice");
  await server.put("caches", alice, { name: "doomed", display_name: "doomed" });
  const { fileName, bytes } = uploadOf(nar(file("too late")));
  const authorization = `Basic ${Buffer.from(`x:${alice}`).toString("base64")}`;
  const upload = request(`${server.url}/cache/doomed/nar/${fileName}`, {
    method: "PUT",
    headers: { authorization, "content-length": bytes.length },
  });
  const answered = once(upload, "response") as Promise<[IncomingMessage]>;
  upload.write(bytes.subarray(0, bytes.length >> 1));
  await vi.waitUntil(async () => (await readdir(join(server.dataDir, "nar/drafts"))).length > 0);
  await server.call("DELETE", "caches/doomed", { token: alice });
  upload.end(bytes.subarray(bytes.length >> 1));
  const [answer] = await answered;
  expect(answer.statusCode).toBe(409);
  expect(JSON.parse(await text(answer))).toMatchObject({ error: true, code: "conflict" });
});
