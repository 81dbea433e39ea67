import type { SwaggerTransform } from "@fastify/swagger";
import type { FastifySchema } from "fastify";
import { jsonSchemaTransform } from "fastify-type-provider-zod";
import { z } from "zod";
import { errorEnvelope } from "../envelope.ts";
import type { Access } from "../plugins/access.ts";
import { meaningOf, refusalsOf } from "./refusals.ts";

/** Marks an operation whose body may be left out until document.ts has taken note of it. */
export const OPTIONAL_BODY = "x-optional-body";

const API_PREFIX = "/api/v1/";

const ERROR_SCHEMA = `#/components/schemas/${z.globalRegistry.get(errorEnvelope)?.id}`;

const securityOf: Readonly<Record<Access, readonly Record<string, readonly string[]>[]>> = {
  none: [],
  optional: [{}, { bearer: [] }, { cookie: [] }],
  required: [{ bearer: [] }, { cookie: [] }],
  superuser: [{ bearer: [] }, { cookie: [] }],
};

/** Makes the operation of a route: what all routes have in common is added here. Routes without a summary, and hidden ones, are not documented. */
export const describeOperation: SwaggerTransform = (document) => {
  const { schema, url, route } = document;
  // Fastify leaves the schema undefined where a route has none, whatever its types say.
  const known: FastifySchema | undefined = schema;
  if (known?.summary === undefined || known.hide === true) return { schema: { hide: true }, url };
  const { access = "none", sends } = route.config ?? {};
  const { schema: described } = jsonSchemaTransform(document);
  const method = String(route.method);
  const hasBody = known.body !== undefined || sends !== undefined;
  const refusals = refusalsOf({ access, method, hasPathParameters: url.includes("/:"), hasBody });
  return {
    url,
    schema: {
      ...described,
      ...(sends === undefined ? {} : { body: sends.schema, consumes: [sends.contentType] }),
      ...(isOptional(known.body) ? { [OPTIONAL_BODY]: true } : {}),
      ...(access === "superuser" ? { description: superuserNote(known.description) } : {}),
      tags: known.tags ?? [tagOf(url)],
      operationId: operationIdOf(method, url),
      security: known.security ?? securityOf[access],
      response: {
        ...successesOf(described.response),
        ...refusalsFor(refusals, described.response),
      },
    },
  };
};

/** `getOrgsByOrgUsers` for GET /api/v1/orgs/:org/users. */
export function operationIdOf(method: string, url: string): string {
  const path = url.startsWith(API_PREFIX) ? url.slice(API_PREFIX.length) : url;
  const words = path.split("/").map((segment) => {
    const word = segment
      .split(/[^A-Za-z0-9]+/)
      .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
      .join("");
    return segment.startsWith(":") ? `By${word}` : word;
  });
  return method.toLowerCase() + words.join("");
}

/** The area, which is the folder of the route's file: the first word of the path, but for what is told of the server itself. */
function tagOf(url: string): string {
  const [area = "", ...rest] = url.replace(API_PREFIX, "").split("/");
  const isServer =
    area === "health" || (rest.length === 0 && ["config", "openapi.json"].includes(area));
  return isServer ? "server" : area;
}

function superuserNote(description: string | undefined): string {
  return [description, "Superusers only."].filter(Boolean).join(" ");
}

function isOptional(body: unknown): boolean {
  return body instanceof z.ZodType && body.safeParse(undefined).success;
}

type Responses = Record<string, Record<string, unknown>>;

/** What the route itself declares, each with a description. */
function successesOf(response: unknown): Responses {
  return Object.fromEntries(
    Object.entries((response ?? {}) as Responses).map(([status, schema]) => {
      const key = "$ref" in schema ? "description" : "x-response-description";
      const description = schema["description"] ?? meaningOf(Number(status));
      return [status, { ...schema, [key]: description }];
    }),
  );
}

function refusalsFor(statuses: readonly number[], response: unknown): Responses {
  const declared = (response ?? {}) as Responses;
  return Object.fromEntries(
    statuses
      .filter((status) => !(status in declared))
      .map((status) => [status, { $ref: ERROR_SCHEMA, description: meaningOf(status) }]),
  );
}
