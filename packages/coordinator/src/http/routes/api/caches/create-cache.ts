import { z } from "zod";
import { mayCreate } from "../../../../auth/authority.ts";
import { createCache } from "../../../../caches/create-cache.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { priorityField, storageField } from "./cache.ts";

const body = z.object({
  name: z.string(),
  display_name: z.string(),
  description: z.string().max(10_000).default(""),
  priority: priorityField.default(40),
  local_priority: priorityField.nullish(),
  public: z.boolean().nullish(),
  max_storage_gb: storageField.nullish(),
});

/** PUT /caches: the answer is the new cache's id. */
export const createCacheRoute: Route = (api, services) => {
  const { config, database, masterKey, serveUrl, clock } = services;
  api.put(
    "/caches",
    {
      config: { access: "required" },
      schema: {
        summary: "Creates a cache; the answer is its id.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const creator = mayCreate(request.caller, "caches", config.createCache);
      const id = await createCache(
        { database, masterKey, serveUrl },
        creator.user.id,
        {
          name: request.body.name,
          displayName: request.body.display_name,
          description: request.body.description,
          priority: request.body.priority,
          localPriority: request.body.local_priority ?? null,
          isPublic: request.body.public ?? false,
          maxStorageGb: request.body.max_storage_gb ?? 0,
        },
        clock.now(),
      );
      return ok(id);
    },
  );
};
