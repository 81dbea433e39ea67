import { z } from "zod";
import type { BuildRequest } from "../../../../build-requests/dispatch-session.ts";
import { findSubscribedCacheName } from "../../../../db/cache-repository.ts";
import type { Queries } from "../../../../db/client.ts";
import type { StartedSourceEvaluation } from "../../../../ports.ts";
import { envelope } from "../../../envelope.ts";

/** What is to be built of a source. `system` says whose packages of a flake are meant when no target is named. */
export const requestBody = z
  .object({
    target: z.string().max(2000).nullish(),
    system: z.string().max(100).nullish(),
    input_overrides: z.array(z.object({ input_name: z.string(), url: z.string() })).nullish(),
  })
  .nullish();

/** Without a body everything is built that the source has by default. */
export function toBuildRequest(body: z.infer<typeof requestBody>): BuildRequest {
  return {
    target: body?.target ?? null,
    system: body?.system ?? null,
    inputOverrides: (body?.input_overrides ?? []).map(({ input_name: input, url }) => ({
      input,
      url,
    })),
  };
}

export const startedEnvelope = envelope(
  z.object({
    evaluation: z.uuid(),
    project: z.string(),
    commit: z.uuid(),
    cache: z.string().nullable(),
  }),
);

/** The new evaluation, with a cache that its outputs will be in. */
export async function toStarted(
  db: Queries,
  organizationId: string,
  { evaluation, project, commit }: StartedSourceEvaluation,
) {
  return {
    evaluation,
    project: project ?? "",
    commit,
    cache: await findSubscribedCacheName(db, organizationId),
  };
}

export const sessionParams = z.object({ session: z.uuid() });
export const uploadParams = z.object({
  upload: z
    .string()
    .min(1)
    .max(200)
    .refine((name) => !name.includes("/") && !name.includes(".."), "without / and .."),
});
export const organizationQuery = z.object({ organization: z.string() });
