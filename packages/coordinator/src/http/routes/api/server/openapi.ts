import { z } from "zod";
import { bareJsonAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";

const document = z.looseObject({ openapi: z.string() });

/** GET /openapi.json: the description of this API, as it is served. */
export const openApiRoute: Route = (api) => {
  let bytes: Buffer | null = null;
  api.get(
    "/openapi.json",
    {
      config: { access: "none" },
      schema: {
        summary: "Describes this API as an OpenAPI 3.1 document, without the envelope.",
        response: { 200: bareJsonAnswer("The document.", document) },
      },
    },
    (_request, reply) => {
      bytes ??= Buffer.from(JSON.stringify(api.swagger()));
      return reply.header("content-type", "application/json; charset=utf-8").send(bytes);
    },
  );
};
