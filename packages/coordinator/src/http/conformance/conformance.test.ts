import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeApi } from "../openapi/describe-api.ts";
import type { Answer, Call } from "../server.test-support.ts";
import { additions, contract, keyOf, notYetServed } from "./contract.test-support.ts";
import { validRequests, type ValidRequest } from "./requests.test-support.ts";
import { openScene, type Scene } from "./scene.test-support.ts";

interface Parameter {
  in: string;
  name: string;
  schema: { format?: string };
}

interface Operation {
  description?: string;
  security: object[];
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, unknown> };
}

interface Served extends Operation {
  method: string;
  path: string;
  key: string;
  access: string;
}

const document = JSON.parse(JSON.stringify(await describeApi())) as {
  paths: Record<string, Record<string, Operation>>;
};

const served: Served[] = Object.entries(document.paths).flatMap(([template, operations]) => {
  const path = template.slice("/api/v1".length);
  return Object.entries(operations).map(([method, operation]) => ({
    ...operation,
    method: method.toUpperCase(),
    path,
    key: `${method.toUpperCase()} ${path}`,
    access: accessOf(operation),
  }));
});

function accessOf({ security, description }: Operation): string {
  if (security.length === 0) return "none";
  if (security.some((each) => Object.keys(each).length === 0)) return "optional";
  return description?.includes("Superusers only.") === true ? "superuser" : "required";
}

const byKey = new Map(served.map((each) => [keyOf(each.method, each.path), each]));
const missing = new Set(notYetServed.map((row) => keyOf(...splitKey(row))));

function splitKey(row: string): [method: string, path: string] {
  const [method = "", path = ""] = row.split(" ");
  return [method, path];
}

describe("the contract", () => {
  test.each(contract)("$method $path is served to whom it says", ({ method, path, access }) => {
    const operation = byKey.get(keyOf(method, path));
    if (missing.has(keyOf(method, path))) {
      expect(operation, "it is served now: take it out of notYetServed").toBeUndefined();
      return;
    }
    expect(operation?.access, "who may come in").toBe(access);
  });

  test("has every operation that is served, or there is a reason", () => {
    const known = new Set([
      ...contract.map((row) => keyOf(row.method, row.path)),
      ...Object.keys(additions).map((row) => keyOf(...splitKey(row))),
    ]);
    const unknown = served.filter((each) => !known.has(keyOf(each.method, each.path)));
    expect(
      unknown.map((each) => each.key),
      "put them into contract or additions",
    ).toEqual([]);
  });

  test("has no line for what is not there", () => {
    const stale = (keys: string[]) => keys.filter((key) => !byKey.has(keyOf(...splitKey(key))));
    expect(stale(Object.keys(additions))).toEqual([]);
    expect(stale(Object.keys(validRequests))).toEqual([]);
    const rows = new Set(contract.map((row) => keyOf(row.method, row.path)));
    expect([...missing].filter((key) => !rows.has(key))).toEqual([]);
  });
});

let scene: Scene;

beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene.server[Symbol.asyncDispose]());

function requestOf(operation: Served): ValidRequest {
  const text = JSON.stringify(validRequests[operation.key] ?? {});
  return JSON.parse(
    text.replaceAll(/\{(\w+)\}/g, (name, key: string) => scene.params[key] ?? name),
  ) as ValidRequest;
}

/** The path of a request, without the prefix; parameters come from the fixture, the scene, or `given`. */
function pathOf(operation: Served, given: Readonly<Record<string, string>> = {}): string {
  const { params, query } = requestOf(operation);
  const [, area = ""] = operation.path.split("/");
  const path = operation.path
    .slice(1)
    .replaceAll(/([^/]*)\/\{([^}]+)\}/g, (_, before: string, name: string) => {
      const value =
        given[name] ??
        params?.[name] ??
        scene.params[`${before}.${name}`] ??
        scene.params[`${area}.${name}`] ??
        scene.params[name];
      if (value === undefined) throw new Error(`the scene has no ${before}.${name}`);
      return `${before}/${value}`;
    });
  return query === undefined ? path : `${path}?${query}`;
}

function send(
  operation: Served,
  call: Call,
  given?: Readonly<Record<string, string>>,
): Promise<Answer> {
  return scene.server.call(operation.method, pathOf(operation, given), call);
}

function refusal(answer: Answer): [status: number, code: unknown] {
  expect(answer.json).toEqual({
    error: true,
    code: expect.any(String),
    message: expect.any(String),
  });
  return [answer.status, answer.json?.code];
}

const takesJson = (each: Served) =>
  each.requestBody?.content["application/json"] !== undefined &&
  validRequests[each.key]?.isSigned !== true;
const guarded = served.filter((each) => each.access === "required" || each.access === "superuser");
/** What lies in the scene's private organization or cache. */
const inPrivate = served.filter(
  (each) => each.access !== "none" && /\{(?:org|cache|id)\}/.test(each.path),
);
const hasId = (each: Served) =>
  each.parameters?.some(({ in: place, schema }) => place === "path" && schema.format === "uuid");

describe("without credentials", () => {
  test.each(guarded)("$key is refused", async (operation) => {
    const { body } = requestOf(operation);
    expect(refusal(await send(operation, { body }))).toEqual([401, "unauthorized"]);
  });

  test.each(inPrivate.filter((each) => each.access === "optional"))(
    "$key shows nothing of what is private",
    async (operation) => {
      const [status, code] = refusal(await send(operation, {}));
      // A browser is asked to log in where a link leads to a file.
      expect([`404 not_found`, "401 unauthorized"]).toContain(`${status} ${String(code)}`);
    },
  );
});

describe("with the token of a session that was ended", () => {
  test.each(guarded)("$key is refused", async (operation) => {
    const { body } = requestOf(operation);
    const answer = await send(operation, { body, token: scene.dead });
    expect(refusal(answer)).toEqual([401, "unauthorized"]);
  });
});

describe("for a stranger", () => {
  test.each(inPrivate)("$key does not exist", async (operation) => {
    const { body } = requestOf(operation);
    const answer = await send(operation, { body, token: scene.stranger });
    const isForm = operation.requestBody !== undefined && !takesJson(operation);
    // The type of a body is looked at before anything in the database.
    expect(
      isForm
        ? [
            [404, "not_found"],
            [415, "unsupported_media_type"],
          ]
        : [[404, "not_found"]],
    ).toContainEqual(refusal(answer));
  });

  test.each(served.filter((each) => each.access === "superuser"))(
    "$key is for superusers",
    async (operation) => {
      const answer = await send(operation, { token: scene.stranger });
      expect(refusal(answer)).toEqual([403, "superuser_required"]);
    },
  );
});

describe("a request that is wrong", () => {
  test.each(served.filter(takesJson))(
    "$key: a body that is no JSON, or of another shape or type",
    async (operation) => {
      const token = scene.owner;
      expect(refusal(await send(operation, { token, body: "{" }))).toEqual([400, "json_parsing"]);
      expect(refusal(await send(operation, { token, body: [] }))).toEqual([
        422,
        "unprocessable_entity",
      ]);
      const text = await send(operation, {
        token,
        body: "x",
        headers: { "content-type": "text/plain" },
      });
      expect(refusal(text)).toEqual([415, "unsupported_media_type"]);
    },
  );

  test.each(served.filter(hasId))("$key: an id that is none", async (operation) => {
    const ids =
      operation.parameters?.filter(
        ({ in: place, schema }) => place === "path" && schema.format === "uuid",
      ) ?? [];
    const { body } = requestOf(operation);
    for (const { name } of ids) {
      const answer = await send(operation, { token: scene.owner, body }, { [name]: "no-id" });
      expect(refusal(answer)).toEqual([400, "bad_request"]);
    }
  });
});

describe("a good request", () => {
  // What reads goes before what changes, what destroys comes last.
  const order = ["GET", "PUT", "POST", "PATCH", "DELETE"];
  const sorted = served.toSorted((a, b) => order.indexOf(a.method) - order.indexOf(b.method));

  test.each(sorted.filter((each) => validRequests[each.key]?.refused?.status !== 0))(
    "$key",
    async (operation) => {
      const { body, refused, as } = requestOf(operation);
      const token = as === undefined ? scene.owner : scene[as];
      const answer = await send(operation, { token, body });
      const told = `${answer.status}: ${answer.text.slice(0, 300)}`;
      if (refused === undefined) expect(answer.status, told).toBeLessThan(400);
      else expect(refusal(answer)[0], `${told} (${refused.because})`).toBe(refused.status);
      if (operation.method !== "GET") return;
      const head = await scene.server.call("HEAD", pathOf(operation), { token: scene.owner });
      expect([head.status, head.text], "HEAD").toEqual([answer.status, ""]);
    },
  );
});
