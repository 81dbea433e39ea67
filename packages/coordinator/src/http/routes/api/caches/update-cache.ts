import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { changeCache } from "../../../../caches/change-cache.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams, priorityField, storageField } from "./cache.ts";

const body = z.object({
  name: z.string().nullish(),
  display_name: z.string().nullish(),
  description: z.string().max(10_000).nullish(),
  priority: priorityField.nullish(),
  /** null takes it away. */
  local_priority: priorityField.nullable().optional(),
  max_storage_gb: storageField.nullish(),
});

/** PATCH /caches/{cache}: what is absent stays as it is. */
export const updateCacheRoute: Route = (api, { authority, database, narinfoLane, evaluations }) => {
  api.patch(
    "/caches/:cache",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Changes the given fields of a cache.",
        params: cacheParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheSettings");
      notManaged(cache);
      const change = request.body;
      await changeCache({ database, evaluations }, cache, {
        name: change.name ?? cache.name,
        displayName: change.display_name ?? cache.display_name,
        description: change.description ?? cache.description,
        priority: change.priority ?? cache.priority,
        localPriority:
          change.local_priority === undefined ? cache.local_priority : change.local_priority,
        maxStorageGb: change.max_storage_gb ?? cache.max_storage_gb,
      });
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${change.name ?? cache.name}" was changed`);
    },
  );
};
