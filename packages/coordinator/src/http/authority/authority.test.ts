import fc from "fast-check";
import fastify from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describedServices } from "../openapi/described-services.ts";
import { apiRoutes } from "../routes/api/routes.ts";
import { openTestServer, type Answer, type TestServer } from "../server.test-support.ts";
import { demands, type Demand, type Target } from "./demands.test-support.ts";
import { admit, type Access, type Verdict } from "./model.test-support.ts";
import { seedWorld } from "./seed-world.test-support.ts";
import {
  askerArbitrary,
  cacheName,
  CACHES,
  idOf,
  keyText,
  organizationName,
  ORGANIZATIONS,
  worldArbitrary,
  WORKER,
  type Asker,
  type World,
} from "./world.test-support.ts";

const RUNS = 25;
const REQUESTS = 40;
const LIMIT_MS = 20_000;

interface ServedRoute {
  method: string;
  path: string;
  access: Access;
  admitsCacheKeys: boolean;
}

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const nameOf = ({ method, path }: ServedRoute) => `${method} ${path}`;

/** What the router serves under the API. */
async function servedRoutes(): Promise<ServedRoute[]> {
  const app = fastify({ exposeHeadRoutes: false });
  const served: ServedRoute[] = [];
  app.addHook("onRoute", ({ method, url, config }) => {
    const { access = "none", admitsCacheKeys = false } = config ?? {};
    served.push({ method: String(method), path: url, access, admitsCacheKeys });
  });
  const api = app.withTypeProvider<ZodTypeProvider>();
  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(serializerCompiler);
  for (const route of apiRoutes) route(api, describedServices());
  await app.ready();
  return served;
}

const served = await servedRoutes();

test("every route has a line that says what it demands", () => {
  const missing = served.map(nameOf).filter((name) => demands[name] === undefined);
  expect(missing, "add these to demands.test-support.ts").toEqual([]);
});

interface Request {
  asker: Asker;
  route: ServedRoute;
  target: Target;
}

const request: fc.Arbitrary<Request> = fc.record({
  asker: askerArbitrary,
  route: fc.constantFrom(...served),
  target: fc.record({
    organization: fc.option(fc.nat(ORGANIZATIONS - 1), { freq: 12 }),
    cache: fc.option(fc.nat(CACHES - 1), { freq: 12 }),
  }),
});

const MISSING = idOf("missing", 0);

/** The path with everything that it names. */
function fill(path: string, { organization, cache }: Target): string {
  const isOfCache = path.startsWith("/caches/");
  const kind = isOfCache ? "cache" : "organization";
  const position = isOfCache ? cache : organization;
  const entity = /^\/(\w+?)s\/:id/.exec(path)?.[1] ?? "";
  const ofOrganization = (what: string) =>
    organization === null ? MISSING : idOf(what, organization);
  const values: Record<string, string> = {
    org: organization === null ? "nowhere" : organizationName(organization),
    cache: cache === null ? "nowhere" : cacheName(cache),
    project: "site",
    worker_id: WORKER,
    host: "host.example",
    hash: "0".repeat(32),
    filename: "x",
    index: "0",
    upload: "x",
    role: position === null ? MISSING : idOf("unused role", `${kind} ${position}`),
    key: cache === null ? MISSING : idOf("spare key", cache),
    upstream: cache === null ? MISSING : idOf("upstream", cache),
    id: ofOrganization(entity === "eval" ? "evaluation" : entity),
  };
  return path.replace(/:(\w+)/g, (_, name: string) => values[name] ?? MISSING);
}

async function tokenOf(asker: Asker): Promise<string | undefined> {
  switch (asker.kind) {
    case "nobody":
      return undefined;
    case "garbage":
      return "garbage";
    case "key":
      return keyText(asker.key);
    case "session": {
      const claims = { userId: idOf("user", asker.user), sessionId: idOf("session", asker.user) };
      const times = { issuedAt: Date.now(), expiresAt: Date.now() + 3_600_000 };
      return server.services.tokens.sign(claims, times);
    }
  }
}

async function send(
  { asker, route, target }: Request,
  demand: Demand,
  nth: number,
): Promise<Answer> {
  const name = target.organization === null ? "nowhere" : organizationName(target.organization);
  const named = (text: string) => text.replaceAll("{org}", name);
  const query = demand.query === undefined ? "" : `?${named(demand.query)}`;
  const path = `${fill(route.path, target).slice(1)}${query}`;
  // Somebody else each time, so that no limit of one address is met with.
  const headers: Record<string, string> = {
    "x-forwarded-for": `198.51.${(nth >> 8) & 255}.${nth & 255}`,
  };
  let body = demand.body === undefined ? undefined : named(JSON.stringify(demand.body));
  if (demand.form !== undefined) {
    headers["content-type"] = "multipart/form-data; boundary=x";
    const fields = [
      `name="organization"\r\n\r\n${name}`,
      'name="derivation"\r\n\r\n*',
      `name="${demand.form}"; filename="x"\r\n\r\nx`,
    ];
    const parts = fields.map((field) => `--x\r\nContent-Disposition: form-data; ${field}\r\n`);
    body = `${parts.join("")}--x--\r\n`;
  }
  return server.call(route.method, path, { token: await tokenOf(asker), body, headers });
}

function verdictOf(world: World, { asker, route, target }: Request, demand: Demand): Verdict {
  const admitted = admit(world, asker, route);
  if ("refusal" in admitted) return admitted.refusal;
  return demand.judge(world, admitted.person, target);
}

/** Refusals have to be the same; what is done may be answered in any other way. */
function isAsModelled(verdict: Verdict, status: number, demand: Demand): boolean {
  if (status >= 500) return false;
  if (demand.isOpen === true) return status !== 403;
  if (verdict !== "done") return status === verdict;
  return status !== 401 && status !== 403 && (status !== 404 || demand.mayMiss === true);
}

test(
  "every route does for everybody what the contract says, and nothing more",
  { timeout: 6 * LIMIT_MS },
  async () => {
    let nth = 0;
    const property = fc.asyncProperty(
      worldArbitrary,
      fc.array(request, { minLength: REQUESTS, maxLength: REQUESTS }),
      async (world, requests) => {
        const { narinfoLane } = server.services;
        await seedWorld(server.services, world);
        for (let cache = 0; cache < CACHES; cache += 1) narinfoLane.forgetCache(cacheName(cache));
        for (const each of requests) {
          const name = nameOf(each.route);
          const demand = demands[name];
          if (demand === undefined) throw new Error(`${name} has no line`);
          const answer = await send(each, demand, (nth += 1));
          const verdict = verdictOf(world, each, demand);
          const isRight = isAsModelled(verdict, answer.status, demand);
          const what = `${name} ${JSON.stringify([each.asker, each.target])}`;
          expect(isRight, `${what}: ${verdict} expected, ${answer.status} ${answer.text}`).toBe(
            true,
          );
          const hasChanged = each.route.method !== "GET" && answer.status < 300;
          if (hasChanged) await seedWorld(server.services, world);
        }
      },
    );
    await fc.assert(property, {
      numRuns: RUNS,
      interruptAfterTimeLimit: LIMIT_MS,
      markInterruptAsFailure: false,
      endOnFailure: true,
    });
  },
);
