import { createServer, type Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyPluginAsync,
  type FastifyServerFactoryHandler,
} from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Server, Services } from "./api.ts";
import { handleError } from "./errors.ts";
import { LiveSockets } from "./live-sockets.ts";
import { addApiPage } from "./openapi/api-page.ts";
import { addOpenApi } from "./openapi/document.ts";
import { addAccessControl } from "./plugins/access.ts";
import { addJsonBodies } from "./plugins/json-body.ts";
import { addSummaries } from "./plugins/summaries.ts";
import { addUnknownRoutes } from "./plugins/unknown-routes.ts";
import { REQUEST_ID_HEADER } from "./request-ids.ts";
import { apiRoutes } from "./routes/api/routes.ts";
import { routeUpgrade } from "./upgrades.ts";
import { cacheRoutes } from "./routes/cache/routes.ts";
import { streamBodies } from "./routes/proto/stream-bodies.ts";

/** Path parameters are slugs, UUIDs and base names of store paths; the longest is a derivation's. */
const MAX_PARAM_LENGTH = 256;
const HEADERS_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;
/** A connection in the middle of a request or answer may be silent for so long; log streams have no limit. */
const SILENCE_MS = 120_000;

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
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: (error, request, reply) => void handleError(error, request, reply),
    clientErrorHandler: refuseMalformed,
    serverFactory: (handler) => rawServer(services, handler),
  });
  app.setErrorHandler(handleError);
  app.addHook("onRequest", async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id);
  });
  addUnknownRoutes(app);
  await addOpenApi(app, services.version);
  await addApiPage(app);
  await app.register(apiScope(services), { prefix: "/api/v1" });
  await app.register(cacheScope(services), { prefix: "/cache" });
  await app.register(transferRoutes, { prefix: "/proto" });
  return app;
}

/** Rate limits of the API's tiers are added here, as a hook of this scope before access control. */
function apiScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    addJsonBodies(api);
    addAccessControl(api, services.authenticator);
    addSummaries(api);
    api.decorate("live", new LiveSockets(services));
    for (const route of apiRoutes) route(api, services);
  };
}

/** Rate limits of the cache's tiers are added here; what narinfo-lane.ts answers never gets so far. */
function cacheScope(services: Services): FastifyPluginAsync {
  return async (scope) => {
    streamBodies(scope);
    for (const route of cacheRoutes) route(scope, services);
  };
}

function rawServer(services: Services, handler: FastifyServerFactoryHandler): HttpServer {
  const server = createServer({ noDelay: true }, (request, response) => {
    if (services.narinfoLane.answer(request, response)) return;
    handler(request, response);
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A worker uploads a NAR for as long as it takes, if only something comes.
  server.requestTimeout = 0;
  server.timeout = SILENCE_MS;
  server.on("upgrade", (request, socket, head) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    if (path === "/proto") services.workers.upgrade(request, socket, head);
    else if (request.method === "GET" && path.endsWith("/live"))
      routeUpgrade(handler, { request, socket, head });
    else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  return server;
}

/** Answers what is not even HTTP. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({
    error: true,
    code: "bad_request",
    message: "the request is not HTTP that this server understands",
  });
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}
