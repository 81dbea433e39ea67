import swagger from "@fastify/swagger";
import { jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { Server } from "../api.ts";
import { SESSION_COOKIE } from "../cookies.ts";
import { finishDocument } from "./finish-document.ts";
import { describeOperation } from "./operation.ts";

const DESCRIPTION = `API of a Nix build farm.

Every JSON answer is \`{"error": false, "message": ...}\`, and every refusal \`{"error": true, "code": "...", "message": "..."}\`: \`code\` is a
stable word for programs, \`message\` a sentence for people. Fields that are not known are ignored in requests, and clients have to ignore those
that they do not know in answers. A path that exists with another method answers 405 with \`Allow\`; nothing is ever redirected but to a page.

Timestamps are RFC 3339 in UTC with a \`Z\`. Every answer carries \`x-request-id\`.

Binary caches are at \`/cache/{cache}\`, outside of this document: their paths are those of Nix (\`nix-cache-info\`, \`{hash}.narinfo\`, \`nar/{file}\`,
\`log/{drv}\`, with \`ls/{hash}\` and \`serve/{hash}/{path}\` beside them), their answers have no envelope, and who may read a private one says so by Basic
authentication with a token of this API as the password.`;

const tags = [
  { name: "auth", description: "Accounts, log in and out" },
  { name: "user", description: "The caller's account, keys and sessions" },
  { name: "orgs", description: "Organizations, members, roles, workers and subscriptions" },
  { name: "projects", description: "Projects and what starts them" },
  { name: "evals", description: "Evaluations" },
  { name: "builds", description: "Builds, their logs and artefacts" },
  { name: "build-requests", description: "Builds of uploaded sources" },
  { name: "caches", description: "Binary caches and what they hold" },
  { name: "commits", description: "Commits" },
  { name: "hooks", description: "What forges call" },
  { name: "admin", description: "Operation of the server" },
  { name: "server", description: "The server itself" },
];

/** Lets every route that is added from now on be described. `app.swagger()` gives the document once the app is ready. */
export async function addOpenApi(app: Server, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Gradient", version, description: DESCRIPTION },
      servers: [{ url: "/" }],
      tags,
      components: {
        securitySchemes: {
          bearer: {
            type: "http",
            scheme: "bearer",
            description: "A session's token (JWT), or an API key (`GRAD...`).",
          },
          cookie: {
            type: "apiKey",
            in: "cookie",
            name: SESSION_COOKIE,
            description: "The token of a session in a browser.",
          },
        },
      },
    },
    convertConstToEnum: false,
    transform: describeOperation,
    transformObject: (document) => finishDocument(jsonSchemaTransformObject(document)),
  });
}
