import fastify, { LogController, type FastifyBaseLogger, type FastifyPluginAsync } from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Server, Services } from "./api.ts";
import { handleError } from "./errors.ts";
import { LiveHub } from "../live/live-hub.ts";
import { LiveSockets } from "./live-sockets.ts";
import { addApiPage } from "./openapi/api-page.ts";
import { addOpenApi } from "./openapi/document.ts";
import { sendErrorPage } from "./pages/error-page.ts";
import { Pages } from "./pages/pages.ts";
import { addAccessControl } from "./plugins/access.ts";
import { addCors } from "./plugins/cors.ts";
import { addIgnoredBodies } from "./plugins/ignored-bodies.ts";
import { addFormBodies } from "./plugins/form-bodies.ts";
import { addJsonBodies } from "./plugins/json-body.ts";
import { addLowerCaseIds } from "./plugins/lower-case-ids.ts";
import { addRequestMetrics } from "./plugins/request-metrics.ts";
import { addSummaries } from "./plugins/summaries.ts";
import { addUnknownRoutes, refuseUndecodable } from "./plugins/unknown-routes.ts";
import { rawServer, refuseMalformed } from "./raw-server.ts";
import { REQUEST_ID_HEADER } from "./request-ids.ts";
import { accountRoutes } from "./routes/account/routes.ts";
import { apiRoutes } from "./routes/api/routes.ts";
import { cacheRoutes } from "./routes/cache/routes.ts";
import { addCuirassCallers } from "./routes/cuirass/callers.ts";
import { sendCuirassError, withoutTrailingSlash } from "./routes/cuirass/cuirass-errors.ts";
import { cuirassRoutes } from "./routes/cuirass/routes.ts";
import { sendNixbuildError } from "./routes/nixbuild/nixbuild-errors.ts";
import { nixbuildRoutes } from "./routes/nixbuild/routes.ts";
import { pageRoutes } from "./routes/pages/routes.ts";
import { metricsRoute } from "./routes/metrics/get-metrics.ts";
import { streamBodies } from "./routes/proto/stream-bodies.ts";

/** Path parameters are slugs, UUIDs and base names of store paths; the longest is a derivation's. */
const MAX_PARAM_LENGTH = 256;

/** The HTTP side of the coordinator, not listening yet. `transferRoutes` are the workers' bulk transfers. */
export async function createHttpServer(
  services: Services,
  transferRoutes: FastifyPluginAsync,
): Promise<Server> {
  const loggerInstance: FastifyBaseLogger = services.logger;
  const app: Server = fastify({
    loggerInstance,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: "requestId",
    }),
    genReqId: (request) => services.requestIds.of(request),
    requestIdHeader: false,
    trustProxy: [...services.config.trustedProxies],
    bodyLimit: services.config.maxRequestSize,
    rewriteUrl: ({ url = "/" }) => withoutTrailingSlash(url),
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: (error, request, reply) =>
      void refuseUndecodable(error, request, reply, services.config.nixbuildPrefix),
    clientErrorHandler: (error, socket) =>
      refuseMalformed(error, socket, services.requestIds.make()),
    serverFactory: (handler) => rawServer(services, handler),
  });
  app.setErrorHandler(handleError);
  app.addHook("onRequest", async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    services.rateLimits.admit(request.raw);
  });
  if (services.metrics !== null) addRequestMetrics(app, services.metrics);
  addCors(app, [services.serveUrl, services.config.frontendUrl ?? services.serveUrl]);
  const { nixbuildPrefix } = services.config;
  addUnknownRoutes(app, nixbuildPrefix);
  app.decorate("pages", new Pages(services));
  await addOpenApi(app, services.version);
  await addApiPage(app);
  await app.register(apiScope(services), { prefix: "/api/v1" });
  await app.register(cacheScope(services), { prefix: "/cache" });
  await app.register(accountScope(services));
  await app.register(pageScope(services));
  await app.register(nixbuildScope(services));
  if (nixbuildPrefix !== null) {
    await app.register(nixbuildScope(services), { prefix: nixbuildPrefix });
  }
  await app.register(cuirassScope(services));
  await app.register(transferRoutes, { prefix: "/proto" });
  metricsRoute(app, services);
  return app;
}

function apiScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    addJsonBodies(api);
    addLowerCaseIds(api);
    addAccessControl(api, services.authenticator);
    addSummaries(api);
    const { database, clock, logger, stopping } = services;
    const liveOptions = { database, clock, logger, stopping };
    api.decorate("live", new LiveSockets({ ...liveOptions, events: new LiveHub(liveOptions) }));
    for (const route of apiRoutes) route(api, services);
  };
}

/** Pages about accounts: as the API, but with forms and HTML in place of JSON. */
function accountScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    api.setErrorHandler(sendErrorPage);
    addFormBodies(api);
    addAccessControl(api, services.authenticator);
    for (const route of accountRoutes) route(api, services);
  };
}

/** Pages for browsers. */
function pageScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    api.setErrorHandler(sendErrorPage);
    api.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, hide: true };
    });
    addCuirassCallers(api, services.authenticator);
    for (const route of pageRoutes) route(api, services);
  };
}

/** nixbuild.net's API: at the root, and where its clients may be told to look besides. */
function nixbuildScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    api.setErrorHandler(sendNixbuildError);
    // It is another API than the one that the OpenAPI document describes.
    api.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, hide: true };
    });
    addAccessControl(api, services.authenticator);
    for (const route of nixbuildRoutes) route(api, services);
  };
}

/** Cuirass's API. It has texts for what it does not know, and takes any body where it takes one. */
function cuirassScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    api.setErrorHandler(sendCuirassError);
    // It is another API than the one that the OpenAPI document describes.
    api.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, hide: true };
    });
    addSummaries(api);
    addIgnoredBodies(api);
    addCuirassCallers(api, services.authenticator);
    for (const route of cuirassRoutes) route(api, services);
  };
}

/** What the lanes answer never gets so far. */
function cacheScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    streamBodies(scope);
    for (const route of cacheRoutes) route(scope, services);
  };
}
