import { once } from "node:events";
import { createServer, request } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { RequestTurns } from "./request-turns.ts";

test("the first one begins at once, the others in turns of their own", async () => {
  const turns = new RequestTurns();
  const begun: string[] = [];
  const begin = (name: string) => turns.begin(() => void begun.push(name));
  begin("a");
  begin("b");
  begin("c");
  expect(begun).toEqual(["a"]);
  await nextTurn();
  expect(begun).toEqual(["a", "b"]);
  begin("d");
  await nextTurn();
  await nextTurn();
  expect(begun).toEqual(["a", "b", "c", "d"]);
  await nextTurn();
  begin("e");
  expect(begun).toEqual(["a", "b", "c", "d", "e"]);
});

test("one that fails holds nobody up", async () => {
  const turns = new RequestTurns();
  const begun: string[] = [];
  expect(() => {
    turns.begin(() => {
      throw new Error("failed");
    });
  }).toThrow("failed");
  turns.begin(() => void begun.push("next"));
  await nextTurn();
  expect(begun).toEqual(["next"]);
});

test("who comes while one is answered is not overtaken by who comes later", async () => {
  const turns = new RequestTurns();
  const begun: string[] = [];
  await using server = createServer((asked, answer) => {
    turns.begin(() => {
      begun.push(asked.url ?? "");
      answer.end();
      // A client that is quick asks again before the others of this turn were answered.
      if (asked.url === "/first") ask("/quick");
      if (asked.url === "/quick") ask("/late");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  // By its address: names are looked up in threads, which end in any order.
  const ask = (path: string) => void request({ host: "127.0.0.1", port, path, agent: false }).end();
  ask("/first");
  ask("/second");
  await expect.poll(() => begun).toHaveLength(4);
  expect(begun).toEqual(["/first", "/second", "/quick", "/late"]);
});
