import type { CacheRoute } from "../../api.ts";
import { readableCache } from "./cache-access.ts";
import { isJsonWanted, sendText } from "./answers.ts";

/** GET /cache/{cache}/gradient-cache-info[?json] */
export const gradientCacheInfo: CacheRoute = (app, services) => {
  const { version, serveUrl } = services;
  app.get<{ Params: { cache: string } }>("/:cache/gradient-cache-info", async (request, reply) => {
    await readableCache(services, request, request.params.cache);
    reply.header("access-control-allow-origin", "*");
    if (isJsonWanted(request)) return { GradientVersion: version, GradientUrl: serveUrl };
    const text = `GradientVersion: ${version}\nGradientUrl: ${serveUrl}\n`;
    return sendText(reply, "text/x-gradient-cache-info", text);
  });
};
