import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Validator } from "@seriousme/openapi-schema-validator";
import fastify from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../server.test-support.ts";
import { addSummaries } from "../plugins/summaries.ts";
import { describeApi } from "./describe-api.ts";
import { operationIdOf } from "./operation.ts";

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security: unknown[];
  requestBody?: { required: boolean };
  responses: Record<string, { description?: string; content?: Record<string, unknown> }>;
}

interface Document {
  openapi: string;
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
}

let server: TestServer;
let document: Document;

beforeAll(async () => {
  server = await openTestServer();
  document = JSON.parse((await server.get("openapi.json")).text) as Document;
});
afterAll(() => server[Symbol.asyncDispose]());

const operations = () => Object.values(document.paths).flatMap((path) => Object.values(path));
const operation = (method: string, path: string) => document.paths[`/api/v1/${path}`]?.[method];

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const result = await validator.validate({ ...structuredClone(document) });
    expect(result).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  test("is served without an envelope, and the same that needs no server", async () => {
    expect(document.openapi).toBe("3.1.0");
    const described = JSON.parse(JSON.stringify(await describeApi())) as Document;
    expect(described.paths).toEqual(document.paths);
  });

  test("says of every operation what it does, under an id of its own", () => {
    const ids = operations().map((each) => each.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const each of operations()) {
      expect(each.summary, each.operationId).toMatch(/^[A-Z]/);
      const success = Object.keys(each.responses).filter((status) => Number(status) < 400);
      expect(success, `${each.operationId} describes its success`).not.toEqual([]);
    }
  });

  test("groups operations by the folder of their routes", async () => {
    const folder = fileURLToPath(new URL("../routes/api", import.meta.url));
    const areas = await readdir(folder, { withFileTypes: true });
    const folders = areas.filter((each) => each.isDirectory()).map((each) => each.name);
    expect(document.tags.map((tag) => tag.name).sort()).toEqual(folders.sort());
    for (const each of operations()) expect(folders, each.operationId).toContain(each.tags[0]);
  });

  test("says who may come in", () => {
    expect(operation("get", "health")?.security).toEqual([]);
    expect(operation("get", "orgs/{org}")?.security).toEqual([{}, { bearer: [] }, { cookie: [] }]);
    expect(operation("put", "orgs")?.security).toEqual([{ bearer: [] }, { cookie: [] }]);
  });

  test("has the refusals of every operation, and knows of bodies that may be absent", () => {
    expect(Object.keys(operation("put", "orgs")?.responses ?? {})).toEqual(
      "200 400 401 403 404 409 413 415 422 429 500".split(" "),
    );
    expect(Object.keys(operation("get", "health")?.responses ?? {})).toEqual([
      "200",
      "400",
      "429",
      "500",
    ]);
    expect(operation("put", "orgs")?.requestBody?.required).toBe(true);
    expect(operation("post", "orgs/{org}/subscribe/{cache}")?.requestBody?.required).toBe(false);
  });

  test("knows what is no JSON", () => {
    const stream = operation("post", "builds/{id}/log")?.responses["200"];
    expect(Object.keys(stream?.content ?? {})).toEqual(["application/x-ndjson"]);
  });
});

describe("the page of the API", () => {
  test("is served with all that it needs, and may load nothing of another host", async () => {
    const page = await server.get("/api/docs");
    expect([page.status, page.headers.get("content-type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:/);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = ""]) => file);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) expect((await server.get(file)).status, file).toBe(200);
    const start = await server.get("/api/docs/static/swagger-initializer.js");
    expect(start.text).toContain('"validatorUrl":null');
    expect(files.filter((file) => !file.startsWith("/api/docs/static/"))).toEqual([]);
  });
});

test("a route without a summary is refused at start", () => {
  const app = fastify();
  addSummaries(app.withTypeProvider());
  expect(() => app.get("/silent", { config: { access: "none" } }, () => "")).toThrow(
    "route GET /silent has no schema.summary",
  );
});

test("an operation's id comes from its method and path", () => {
  expect(operationIdOf("GET", "/api/v1/orgs/:org/users")).toBe("getOrgsByOrgUsers");
  expect(operationIdOf("POST", "/api/v1/auth/check-username")).toBe("postAuthCheckUsername");
});
