import { afterAll, beforeAll, expect, test } from "vitest";
import { NoFetchWorkerError, RepositoryUnreachableError } from "../../../../errors.ts";
import { HEAD, openTestServer, type TestServer } from "../../../server.test-support.ts";

const PATH = "projects/acme/tools/check-repository";
const repository = "https://example.com/tools.git";

let server: TestServer;
let alice: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("projects/acme", alice, {
    name: "tools",
    display_name: "Tools",
    repository,
    wildcard: "*",
  });
});
afterAll(() => server[Symbol.asyncDispose]());

test("the commit of HEAD is told, with or without a body", async () => {
  for (const body of [undefined, {}]) {
    expect(await server.post(PATH, alice, body)).toMatchObject({ status: 200, message: HEAD });
  }
  expect(server.calls.heads.at(-1)).toMatchObject({ repository, reference: null });
});

test("the commit of a branch is told, and what is no branch is refused", async () => {
  await server.post(PATH, alice, { branch: "feature/x" });
  expect(server.calls.heads.at(-1)?.reference).toBe("refs/heads/feature/x");
  for (const branch of ["", "a..b", "-x", "a b", "*"]) {
    expect((await server.post(PATH, alice, { branch })).status).toBe(400);
  }
});

test("what git says is told", async () => {
  const { repositories } = server.services;
  const original = repositories.head;
  try {
    repositories.head = () =>
      Promise.reject(new RepositoryUnreachableError("fatal: not found", false));
    expect((await server.post(PATH, alice)).json).toEqual({
      error: true,
      code: "repository_unreachable",
      message: "fatal: not found",
    });
    repositories.head = () => Promise.reject(new NoFetchWorkerError());
    const answer = await server.post(PATH, alice);
    expect([answer.status, answer.json?.code]).toEqual([503, "service_unavailable"]);
  } finally {
    repositories.head = original;
  }
});

test("only who may edit the project may ask", async () => {
  const [viewer, stranger] = [await server.user("viewer"), await server.user("stranger")];
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
  expect((await server.post(PATH, viewer)).status).toBe(403);
  expect((await server.post(PATH, stranger)).status).toBe(404);
  expect((await server.post(PATH)).status).toBe(401);
});
