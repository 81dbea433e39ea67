import { z } from "zod";
import type { Api } from "../api.ts";

/** UUIDs in paths may be written in upper case; they are stored and shown in lower case. */
export function addLowerCaseIds(api: Api): void {
  api.addHook("onRoute", (route) => {
    const names = idNames(route.schema?.params);
    if (names.length === 0) return;
    const lowerCase = (params: Record<string, string>): void => {
      for (const name of names) params[name] = (params[name] ?? "").toLowerCase();
    };
    route.preValidation = [
      async (request) => lowerCase(request.params as Record<string, string>),
      ...[route.preValidation ?? []].flat(),
    ];
  });
}

/** Names of the path's parameters whose schema is a UUID. */
function idNames(params: unknown): string[] {
  if (!(params instanceof z.ZodObject)) return [];
  return Object.entries(params.shape).flatMap(([name, schema]) =>
    schema instanceof z.ZodUUID ? [name] : [],
  );
}
