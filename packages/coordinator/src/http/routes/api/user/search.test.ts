import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let token: string;

beforeAll(async () => {
  server = await openTestServer();
  token = await server.user("Olga");
  for (const name of ["ole", "oliver", "peter", "a_b", "axb"]) await server.user(name);
  const { kysely } = server.services.database;
  await kysely
    .updateTable("users")
    .set({ name: "Olaf P." })
    .where("username", "=", "peter")
    .execute();
});
afterAll(() => server[Symbol.asyncDispose]());

const search = async (q: string) => {
  const { message } = await server.get(`user/search?q=${encodeURIComponent(q)}`, token);
  return message.map(({ username }: { username: string }) => username);
};

test("users are found by how user name or name begins, whatever the case", async () => {
  expect(await search("OL")).toEqual(["Olga", "ole", "oliver", "peter"]);
  expect(await search(" olaf")).toEqual(["peter"]);
  expect(await search("lga")).toEqual([]);
});

test("what is typed is no pattern", async () => {
  expect(await search("a_")).toEqual(["a_b"]);
  expect(await search("%")).toEqual([]);
});

test("an address finds its owner only when it is whole", async () => {
  expect(await search("Peter@Example.com")).toEqual(["peter"]);
  expect(await search("peter@")).toEqual([]);
});

test("an answer shows no more than who it is, and ten at most", async () => {
  const { message } = await server.get("user/search?q=ole", token);
  expect(message).toEqual([{ id: expect.any(String), username: "ole", name: "User ole" }]);
  const { kysely } = server.services.database;
  const ole = await kysely
    .selectFrom("users")
    .selectAll()
    .where("username", "=", "ole")
    .executeTakeFirstOrThrow();
  const many = Array.from({ length: 12 }, (_, at) => ({
    ...ole,
    id: crypto.randomUUID(),
    username: `zoe${at}`,
    email: `zoe${at}@example.com`,
  }));
  await kysely.insertInto("users").values(many).execute();
  expect(await search("zoe")).toHaveLength(10);
  await kysely.updateTable("users").set({ active: 0 }).where("username", "like", "zoe%").execute();
  expect(await search("zoe")).toEqual([]);
});

test("a search needs a text and somebody who is signed in", async () => {
  expect((await server.get("user/search?q=%20", token)).status).toBe(400);
  expect((await server.get("user/search", token)).status).toBe(400);
  expect((await server.get("user/search?q=ole")).status).toBe(401);
});
