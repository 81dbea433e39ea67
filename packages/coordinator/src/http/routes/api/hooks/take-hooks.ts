import type { FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import {
  githubIntegrations,
  namedIntegration,
} from "../../../../forges/hooks/find-integrations.ts";
import { takeHook, type Hook, type HookResult } from "../../../../forges/hooks/take-hook.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Api, Route, Services } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "../orgs/organization.ts";
import { forgeType } from "../orgs/integration.ts";

/** A push of many commits is long; forges leave out what is longer. */
const MAX_BODY_BYTES = 5 * 1024 * 1024;

const project = z.object({
  project_id: z.uuid(),
  project_name: z.string(),
  organization: z.string(),
});

const result = z.object({
  event: z.string(),
  repository_urls: z.array(z.string()),
  projects_scanned: z.int(),
  queued: z.array(project.extend({ evaluation_id: z.uuid() })),
  skipped: z.array(project.extend({ reason: z.string() })),
  /** Why the event starts nothing at all; null when its projects were looked for. */
  ignored: z.string().nullable(),
});

/** What it holds is the forge's to say. */
const payload = { contentType: "application/json", schema: { type: "object" } };

const params = organizationParams.extend({ forge: forgeType, integration: z.string() });

/**
 * POST /hooks/{forge}/{org}/{integration} and POST /hooks/github: webhooks, whose bodies are signed as they come and so are not parsed by the
 * server. Who knows the secret may start what the integration's triggers want, and nothing else.
 */
export const hookRoutes: Route = (api, services) => {
  void api.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
      done(null, body);
    });
    const hooks = scope.withTypeProvider<ZodTypeProvider>();
    addNamed(hooks, services);
    addGitHub(hooks, services);
  });
};

function addNamed(api: Api, { database, masterKey, evaluations, clock }: Services): void {
  api.post(
    "/hooks/:forge/:org/:integration",
    {
      config: { access: "none", sends: payload },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        summary: "Takes a webhook of a forge: pushes, releases, pull and merge requests.",
        params,
        response: { 200: envelope(result) },
      },
    },
    async (request) => {
      const { forge, org, integration: name } = request.params;
      const parts = { db: database.kysely, masterKey, evaluations };
      const hook = hookOf(request);
      const integration = await namedIntegration(parts, { forge, organization: org, name }, hook);
      return ok(await takeHook(parts, integration, hook, clock.now()));
    },
  );
}

function addGitHub(api: Api, { database, masterKey, evaluations, clock }: Services): void {
  api.post(
    "/hooks/github",
    {
      config: { access: "none", sends: payload },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        summary:
          "Takes a webhook of GitHub for every integration with its secret and its repository.",
        response: { 200: envelope(result) },
      },
    },
    async (request) => {
      const parts = { db: database.kysely, masterKey, evaluations };
      const hook = hookOf(request);
      const results: HookResult[] = [];
      for (const integration of await githubIntegrations(parts, hook)) {
        results.push(await takeHook(parts, integration, hook, clock.now()));
      }
      return ok(joined(results));
    },
  );
}

function hookOf(request: FastifyRequest): Hook {
  const { body, headers } = request;
  if (!Buffer.isBuffer(body)) throw new BadRequestError("the webhook has no body");
  return {
    body,
    header: (name) => {
      const value = headers[name];
      return typeof value === "string" ? value : null;
    },
  };
}

function joined(results: readonly HookResult[]): HookResult {
  const [first] = results;
  const looked = results.filter(({ ignored }) => ignored === null);
  return {
    event: first?.event ?? "",
    repository_urls: [...new Set(results.flatMap((each) => each.repository_urls))],
    projects_scanned: results.reduce((sum, each) => sum + each.projects_scanned, 0),
    queued: results.flatMap((each) => each.queued),
    skipped: results.flatMap((each) => each.skipped),
    ignored: looked.length > 0 ? null : (first?.ignored ?? null),
  };
}
