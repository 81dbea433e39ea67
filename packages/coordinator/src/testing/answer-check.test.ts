import { expect, test } from "vitest";
import { AnswerCheck, type ApiAnswer } from "./answer-check.ts";

const error = {
  type: "object",
  properties: { error: { const: true }, code: { type: "string" } },
  required: ["error", "code"],
};
const text = { type: "object", properties: { message: { type: "string" } }, required: ["message"] };
const json = (schema: object) => ({ content: { "application/json": { schema } } });

const check = new AnswerCheck({
  paths: {
    "/api/v1/orgs/{org}": {
      get: {
        responses: { 200: json(text), 404: { $ref: "#/components/responses/NotFound" } },
      },
      delete: { responses: { 204: { description: "Gone." } } },
    },
    "/api/v1/orgs/public": { get: { responses: { 200: json({ type: "array" }) } } },
    "/api/v1/log": {
      post: {
        responses: { 200: { content: { "application/x-ndjson": { schema: { type: "string" } } } } },
      },
    },
  },
  components: {
    schemas: { Error: error },
    responses: { NotFound: json({ $ref: "#/components/schemas/Error" }) },
  },
});

const answer = (change: Partial<ApiAnswer>): ApiAnswer => ({
  method: "GET",
  path: "/api/v1/orgs/acme?page=1",
  status: 200,
  contentType: "application/json; charset=utf-8",
  text: '{"message":"x"}',
  ...change,
});

test.each<Partial<ApiAnswer>>([
  {},
  { status: 404, text: '{"error":true,"code":"not_found"}' },
  { path: "/api/v1/orgs/public", text: "[]" },
  { path: "/api/v1/nothing", status: 404, text: '{"error":true,"code":"not_found"}' },
  { method: "PUT", status: 405, text: '{"error":true,"code":"method_not_allowed"}' },
  { method: "DELETE", status: 204, text: "" },
  { method: "POST", path: "/api/v1/log", contentType: "application/x-ndjson", text: '"a"\n"b"\n' },
  { method: "HEAD", text: "" },
])("what the document describes is let through: %j", (change) => {
  expect(() => check.check(answer(change))).not.toThrow();
});

test.each<[string, Partial<ApiAnswer>]>([
  ["the document has only 200, 404", { status: 410 }],
  ["must have required property 'message'", { text: "{}" }],
  ["must NOT have additional properties", { text: '{"message":"x","more":1}' }],
  ["the body is not JSON", { text: "oops" }],
  ['content type "text/html" is not among', { contentType: "text/html" }],
  ["must have required property 'error'", { status: 404, text: "{}" }],
  ["must be array", { path: "/api/v1/orgs/public" }],
  ["the document has no such operation", { path: "/api/v1/nothing" }],
  ["the document has no such operation", { method: "PUT" }],
  ["the document has no body for this status", { method: "DELETE", status: 204, text: "x" }],
  [
    "must be string",
    { method: "POST", path: "/api/v1/log", contentType: "application/x-ndjson", text: '"a"\n1\n' },
  ],
])("what it does not describe is an error: %s", (reason, change) => {
  expect(() => check.check(answer(change))).toThrow(reason);
});
