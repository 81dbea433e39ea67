/**
 * Descriptions of request bodies that are not JSON, for `config.sends` of a route. They only describe: such a body is a stream, and the route
 * reads and checks it itself.
 */
export interface SentBody {
  contentType: string;
  /** JSON schema of OpenAPI 3.1. */
  schema: Record<string, unknown>;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the body is when it is not JSON with a `schema.body`. */
    sends?: SentBody;
  }
}

const bytes = { type: "string", contentMediaType: "application/octet-stream" } as const;

/** The body is the bytes themselves. */
export function bytesBody(contentType = "application/octet-stream"): SentBody {
  return { contentType, schema: bytes };
}

/** A part of a form. `files` may come more than once; `json` is a text field that holds JSON. */
export type FormPart = "text" | "json" | "file" | "files";

const parts: Readonly<Record<FormPart, Record<string, unknown>>> = {
  text: { type: "string" },
  json: { type: "string", contentMediaType: "application/json" },
  file: bytes,
  files: { type: "array", items: bytes },
};

/** `multipart/form-data` with the named parts; with `others`, further parts whose names are data. */
export function multipartBody(form: {
  required: Readonly<Record<string, FormPart>>;
  optional?: Readonly<Record<string, FormPart>>;
  others?: FormPart;
}): SentBody {
  const named = Object.entries({ ...form.required, ...form.optional });
  return {
    contentType: "multipart/form-data",
    schema: {
      type: "object",
      properties: Object.fromEntries(named.map(([name, part]) => [name, parts[part]])),
      required: Object.keys(form.required),
      ...(form.others === undefined ? {} : { additionalProperties: parts[form.others] }),
    },
  };
}
