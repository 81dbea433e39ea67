import { Validator } from "@seriousme/openapi-schema-validator";
import fastify from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import {
  bareJsonAnswer,
  bytesAnswer,
  emptyAnswer,
  ndjsonAnswer,
  redirectAnswer,
  textAnswer,
  webSocketAnswer,
} from "../answer-schemas.ts";
import { bytesBody, multipartBody } from "../sent-bodies.ts";
import { addOpenApi } from "./document.ts";

interface Described {
  paths: Record<
    string,
    Record<string, { requestBody: unknown; responses: Record<string, unknown> }>
  >;
}

let document: Described;

beforeAll(async () => {
  const app = fastify();
  await addOpenApi(app, "1.2.3");
  const api = app.withTypeProvider<ZodTypeProvider>();
  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(serializerCompiler);
  const answering = (url: string, response: Record<number, unknown>) =>
    api.get(url, { schema: { summary: "Answers.", response } }, () => "");
  answering("/text", { 200: textAnswer("A log.") });
  answering("/image", { 200: textAnswer("A badge.", "image/svg+xml") });
  answering("/bytes", { 200: bytesAnswer("A file.") });
  answering("/bare", { 200: bareJsonAnswer("A listing.", z.object({ version: z.literal(1) })) });
  answering("/lines", { 200: ndjsonAnswer("Hits.", z.object({ line: z.int() })) });
  answering("/gone", { 204: emptyAnswer("It is gone.") });
  answering("/login", { 302: redirectAnswer("To the provider.") });
  answering("/live", { 101: webSocketAnswer("Frames are JSON.") });
  const taking = (url: string, sends: ReturnType<typeof bytesBody>) =>
    api.post(url, { config: { sends }, schema: { summary: "Takes." } }, () => "");
  taking("/bytes", bytesBody());
  taking(
    "/form",
    multipartBody({ required: { organization: "text" }, optional: { x: "json" }, others: "file" }),
  );
  await app.ready();
  document = JSON.parse(JSON.stringify(app.swagger())) as Described;
  await app.close();
});

const answer = (path: string, status: number) => document.paths[path]?.["get"]?.responses[status];

test("answers that are not the envelope make a valid document", async () => {
  expect(await new Validator().validate({ ...structuredClone(document) })).toEqual({ valid: true });
});

test("each answer says its content type and what it holds", () => {
  expect(answer("/text", 200)).toEqual({
    description: "A log.",
    content: { "text/plain": { schema: { type: "string" } } },
  });
  expect(answer("/image", 200)).toHaveProperty(["content", "image/svg+xml"]);
  expect(answer("/bytes", 200)).toHaveProperty(["content", "application/octet-stream"]);
  expect(answer("/bare", 200)).toHaveProperty(["content", "application/json"]);
  expect(answer("/lines", 200)).toMatchObject({
    content: { "application/x-ndjson": { schema: { properties: { line: { type: "integer" } } } } },
  });
});

test("answers without a body have a description, a redirect its header", () => {
  expect(answer("/gone", 204)).toEqual({ description: "It is gone." });
  expect(answer("/live", 101)).toEqual({ description: "Frames are JSON." });
  expect(answer("/login", 302)).toEqual({
    description: "To the provider.",
    headers: { Location: { description: "Where to go.", schema: { type: "string" } } },
  });
});

test("bodies that are not JSON say what they are", () => {
  const body = (path: string) => document.paths[path]?.["post"]?.requestBody;
  expect(body("/bytes")).toHaveProperty(["content", "application/octet-stream"]);
  expect(body("/form")).toMatchObject({
    content: {
      "multipart/form-data": {
        schema: {
          required: ["organization"],
          properties: {
            organization: { type: "string" },
            x: { contentMediaType: "application/json" },
          },
          additionalProperties: { type: "string" },
        },
      },
    },
  });
});
