import { expect, test } from "vitest";
import { seedEvaluation } from "./seed.test-support.ts";
import { openTestServer } from "./server.test-support.ts";

test("stopping ends open log streams and lets nobody in any more", async () => {
  const server = await openTestServer({
    logs: {
      text: async function* () {},
      size: () => Promise.resolve(0),
      follow: async function* (_attempt, _offset, signal) {
        yield "first\n";
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
  const { url } = server;
  const token = await server.user("alice");
  await server.put("orgs", token, { name: "acme", display_name: "Acme" });
  const project = {
    name: "tools",
    display_name: "Tools",
    repository: "https://example.com/tools.git",
    wildcard: "*",
  };
  const projectId = String((await server.put("projects/acme", token, project)).message);
  const { id: organizationId } = (await server.get("orgs/acme", token)).message;
  const seed = await seedEvaluation(server.services.database.kysely, {
    organizationId,
    projectId,
    userId: null,
  });
  const stream = await fetch(`${url}/api/v1/builds/${seed.lib.id}/log`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  const chunks: string[] = [];
  const decoder = new TextDecoder();
  const reader = stream.body?.getReader();
  const first = await reader?.read();
  chunks.push(decoder.decode(first?.value));
  await server[Symbol.asyncDispose]();
  expect(chunks.join("")).toBe('"first\\n"\n');
  expect((await reader?.read())?.done).toBe(true);
  await expect(fetch(`${url}/api/v1/health`)).rejects.toThrow("fetch failed");
});
