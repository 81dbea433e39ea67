import { z } from "zod";
import { BadRequestError } from "../../../errors.ts";
import { isoTime } from "../../../nixbuild/build-object.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { buildNumberParams, readNumberedBuild } from "./build-number.ts";
import { sendJson } from "../../send-json.ts";

const DEFAULT_TTL_SECONDS = 3600;
const MAX_TTL_SECONDS = 30 * 86_400;

const answer = z.object({ build_id: z.int(), url: z.string(), expires_at: z.string() });

/** GET /builds/:id/url: a link that shows details and log to whoever has it. It holds for at most 30 days. */
export const getBuildUrlRoute: Route = (api, services) => {
  const { buildLinks, serveUrl, clock } = services;
  api.get(
    "/builds/:id/url",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes a link to a build that needs no credentials.",
        params: buildNumberParams,
        querystring: z.object({ ttl_seconds: z.string().optional() }),
        response: { 200: bareJsonAnswer("The link.", answer) },
      },
    },
    async ({ caller, params, query }, reply) => {
      const seconds = readTtl(query.ttl_seconds);
      const { build_id } = await readNumberedBuild(services, caller, params.id);
      const expiresAt = Math.floor(clock.now() / 1000) + seconds;
      return sendJson(reply, {
        build_id,
        url: `${serveUrl}/builds/${build_id}/details?${buildLinks.sign(build_id, expiresAt)}`,
        expires_at: isoTime(expiresAt * 1000),
      });
    },
  );
};

function readTtl(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_TTL_SECONDS;
  if (!/^\d{1,15}$/.test(text) || Number(text) === 0) {
    throw new BadRequestError(`ttl_seconds: "${text}" is not a whole number above 0`);
  }
  return Math.min(Number(text), MAX_TTL_SECONDS);
}
