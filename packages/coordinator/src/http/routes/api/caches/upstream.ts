import { z } from "zod";
import type { Upstream } from "../../../../db/upstream-repository.ts";
import { modeInput, modeSchema } from "../orgs/subscription.ts";

/** The original writes the last kind without its underscore in answers, and with it in requests. */
const kinds = { internal: "internal", http: "http", gradient_proto: "gradientproto" } as const;

export const upstreamSchema = z
  .object({
    id: z.uuid(),
    display_name: z.string(),
    mode: modeSchema,
    kind: z.enum(Object.values(kinds)),
    upstream_cache_id: z.uuid().nullable(),
    url: z.string().nullable(),
    public_key: z.string().nullable(),
    remote_cache: z.string().nullable(),
    has_api_key: z.boolean(),
  })
  .meta({ id: "Upstream" });

/** Of its API key only whether there is one. */
export function toUpstream(row: Upstream): z.infer<typeof upstreamSchema> {
  return {
    id: row.id,
    display_name: row.display_name,
    mode: row.mode,
    kind: kinds[row.kind],
    upstream_cache_id: row.upstream_cache_id,
    url: row.url,
    public_key: row.public_key,
    remote_cache: row.remote_cache,
    has_api_key: row.sealed_api_key !== null,
  };
}

const url = z.string().max(2000);
const publicKey = z.string().max(500);
const apiKey = z.string().max(500);

/** An upstream by its type: a cache of this server, any binary cache, or a cache of another server of this kind. */
export const newUpstreamBody = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("internal"),
    cache_name: z.string(),
    display_name: z.string().nullish(),
    mode: modeInput.nullish(),
  }),
  z.object({
    type: z.literal("http"),
    display_name: z.string(),
    url,
    public_key: publicKey,
  }),
  z.object({
    type: z.literal("gradient_proto"),
    display_name: z.string(),
    url,
    remote_cache: z.string(),
    public_key: publicKey.nullish(),
    api_key: apiKey.nullish(),
    mode: modeInput.nullish(),
  }),
]);

/** What is absent stays as it is, and so does what is null, but for `api_key`: null takes it away. */
export const upstreamChangeBody = z.object({
  display_name: z.string().nullish(),
  mode: modeInput.nullish(),
  url: url.nullish(),
  public_key: publicKey.nullish(),
  api_key: apiKey.nullable().optional(),
});

export const upstreamParams = z.object({ cache: z.string(), upstream: z.uuid() });
