import { SecretKey } from "@gradient/protocol";
import {
  at,
  cacheMask,
  isPinned,
  judgeCache,
  judgeOrganization,
  organizationMask,
  type CacheDemand,
  type OrganizationDemand,
  type Verdict,
} from "./model.test-support.ts";
import type { World } from "./world.test-support.ts";

type Person = Parameters<typeof judgeOrganization>[1];

/** What a request is about: positions in the world, null for something that does not exist. */
export interface Target {
  organization: number | null;
  cache: number | null;
}

export interface Demand {
  judge(world: World, person: Person, target: Target): Verdict;
  /** `{org}` in it, and in the query, stands for the organization's name. */
  body?: unknown;
  /** Sent as a form: the organization's name, and a file in a field of this name. */
  form?: string;
  query?: string;
  /** What it is about may be missing although the caller may ask for it: 404 then says nothing. */
  mayMiss?: true;
  /** Anybody may ask; what it answers depends on more than on who asks. */
  isOpen?: true;
}

interface Options {
  body?: unknown;
  form?: string;
  query?: string;
  mayMiss?: true;
  /** Refused where the configuration declares the thing. */
  changes?: true;
  /** The caller has to have all of this themselves. */
  grants?: number;
}

function rest({ body, form, query, mayMiss }: Options): Omit<Demand, "judge"> {
  return {
    ...(body === undefined ? {} : { body }),
    ...(form === undefined ? {} : { form }),
    ...(query === undefined ? {} : { query }),
    ...(mayMiss === undefined ? {} : { mayMiss }),
  };
}

const VIEW = 929;
const VIEW_CACHE = 3;

function organization(demand: OrganizationDemand, options: Options = {}): Demand {
  return {
    ...rest(options),
    judge: (world, person, target) => {
      const verdict = judgeOrganization(world, person, target.organization, demand);
      if (verdict !== "done" || target.organization === null) return verdict;
      const { isManaged } = at(world.organizations, target.organization);
      if (options.changes === true && isManaged) return 403;
      const { mask } = organizationMask(world, person, target.organization);
      return ((options.grants ?? 0) & ~mask) === 0 ? "done" : 403;
    },
  };
}

/** A commit belongs to no organization: it exists for whoever may read one that evaluated it. */
function commit(): Demand {
  const { judge } = organization("read");
  return {
    judge: (world, person, target) => {
      const verdict = judge(world, person, target);
      return verdict === 403 ? 404 : verdict;
    },
  };
}

function cache(demand: CacheDemand, options: Options = {}): Demand {
  return {
    ...rest(options),
    judge: (world, person, target) => {
      const verdict = judgeCache(world, person, target.cache, demand);
      if (verdict !== "done" || target.cache === null) return verdict;
      if (options.changes === true && at(world.caches, target.cache).isManaged) return 403;
      const { mask } = cacheMask(world, person, target.cache);
      return ((options.grants ?? 0) & ~mask) === 0 ? "done" : 403;
    },
  };
}

/** Both have to allow it, the organization is asked first. */
const subscription: Demand = {
  judge: (world, person, target) => {
    const first = judgeOrganization(world, person, target.organization, "manageSubscriptions");
    if (first !== "done") return first;
    return judgeCache(world, person, target.cache, "manageCacheSubscriptions");
  },
};

/** As reading, but who is unknown is asked for credentials. */
const download: Demand = {
  mayMiss: true,
  judge: (world, person, target) => {
    const verdict = judgeOrganization(world, person, target.organization, "read");
    return person === null && verdict === 404 ? 401 : verdict;
  },
};

/** Everybody who is let in at all. */
function anybody(options: Options = {}): Demand {
  return { ...rest(options), judge: () => "done" };
}

/** Only with a session. */
function session(options: Options = {}): Demand {
  return { ...rest(options), judge: (_world, person) => (person?.key === null ? "done" : 403) };
}

/** A key that is pinned makes nothing outside of its pin. */
function creation(options: Options): Demand {
  return { ...rest(options), judge: (_world, person) => (isPinned(person) ? 403 : "done") };
}

function open(body?: unknown): Demand {
  return { ...rest({ body }), judge: () => "done", isOpen: true };
}

const guest = { user: "guest" };
const role = { name: "made", permissions: [] };
const project = {
  name: "made",
  display_name: "Made",
  repository: "https://127.0.0.1/made.git",
  wildcard: "*",
};

const nar = {
  store_path: `/nix/store/${"0".repeat(32)}-x`,
  file_hash: `sha256-${"A".repeat(43)}=`,
  file_size: 1,
  nar_size: 1,
  nar_hash: `sha256-${"A".repeat(43)}=`,
  references: [],
  deriver: null,
};

/** Every route of the API with what it asks of who comes. A route that is new needs its line here. */
export const demands: Readonly<Record<string, Demand>> = {
  "GET /admin/state": anybody(),
  "POST /admin/draining": anybody({ body: { enabled: false } }),
  "GET /admin/workers": anybody(),
  "GET /admin/workers/keys": anybody(),
  "POST /admin/maintenance/deep-gc": anybody({ body: { dry_run: true } }),
  "POST /admin/maintenance/fsck": anybody({ body: {} }),
  "GET /admin/tasks": anybody(),
  "GET /admin/tasks/:task": anybody({ mayMiss: true }),
  "POST /admin/workers/:worker_id/key": anybody({ body: { public_key: "k" }, mayMiss: true }),
  "DELETE /admin/workers/:worker_id/key": anybody({ body: { public_key: "k" }, mayMiss: true }),
  "POST /auth/basic/login": open({ loginname: "nobody", password: "x" }),
  "POST /auth/basic/register": open({ username: "x", name: "", email: "", password: "" }),
  "POST /auth/check-username": open({ username: "free" }),
  "POST /auth/cli/start": open(),
  "POST /auth/cli/poll": open({ device_code: "x" }),
  "GET /auth/cli/info": anybody({ query: "user_code=AAAA-AAAA", mayMiss: true }),
  "POST /auth/cli/authorize": session({ body: { user_code: "AAAA-AAAA" }, mayMiss: true }),
  "POST /auth/cli/deny": session({ body: { user_code: "AAAA-AAAA" }, mayMiss: true }),
  "POST /auth/logout": open(),
  "GET /auth/oauth/authorize": open(),
  "POST /auth/oauth/authorize": open(),
  "GET /auth/oidc/callback": open(),
  "GET /auth/oidc/login": open(),
  "POST /auth/resend-verification": open({ username: "nobody" }),
  "GET /auth/verify-email": open(),
  "GET /config": open(),
  "GET /health": open(),
  "GET /health/ready": open(),
  "GET /openapi.json": open(),
  "POST /builds": organization("triggerEvaluation", { form: "files" }),
  "GET /builds/direct/recent": anybody(),
  "GET /builds/:id": organization("read"),
  "GET /builds/:id/closure": organization("read"),
  "GET /builds/:id/runtime-closure": organization("read"),
  "GET /builds/:id/download/:filename": download,
  "GET /builds/:id/download-token": organization("member"),
  "GET /builds/:id/downloads": organization("read"),
  "GET /builds/:id/live": organization("read"),
  "GET /builds/:id/log/chunks": organization("read"),
  "GET /builds/:id/log/chunk/:index": organization("read", { mayMiss: true }),
  "GET /builds/:id/log/lines": organization("read"),
  "GET /builds/:id/log/search": organization("read", { query: "q=x" }),
  "POST /build-requests/manifest": organization("triggerEvaluation", {
    body: { organization: "{org}", files: [{ path: "x", hash: "0".repeat(64), size: 1 }] },
  }),
  "POST /build-requests/:session/blobs": anybody({ mayMiss: true }),
  "POST /build-requests/:session/dispatch": anybody({ body: {}, mayMiss: true }),
  "PUT /build-requests/source/:upload/chunk": anybody({ query: "offset=0", mayMiss: true }),
  "POST /build-requests/source/:upload/finalize": organization("triggerEvaluation", {
    body: {},
    query: "organization={org}",
  }),
  "POST /build-requests/source": organization("triggerEvaluation", {
    query: "organization={org}",
    form: "nar",
  }),
  "GET /builds/:id/attempts": organization("read"),
  "GET /builds/:id/dependencies": organization("read"),
  "GET /builds/:id/graph": organization("read"),
  "GET /builds/:id/log": organization("read"),
  "POST /builds/:id/log": organization("member"),
  "GET /caches": anybody(),
  "PUT /caches": creation({ body: { name: "made", display_name: "Made" } }),
  "GET /caches/available": anybody({ query: "name=made" }),
  "GET /caches/public": anybody(),
  "GET /caches/:cache": cache("read"),
  "PATCH /caches/:cache": cache("manageCacheSettings", { body: {}, changes: true }),
  "DELETE /caches/:cache": cache("deleteCache", { changes: true }),
  "POST /caches/:cache/active": cache("manageCacheSettings", { changes: true }),
  "DELETE /caches/:cache/active": cache("manageCacheSettings", { changes: true }),
  "GET /caches/:cache/key": cache("read"),
  "GET /caches/:cache/public-key": cache("read"),
  "GET /caches/:cache/keys": cache("manageCacheKeys"),
  "POST /caches/:cache/keys": cache("manageCacheKeys", { body: {}, changes: true }),
  "POST /caches/:cache/keys/import": cache("manageCacheKeys", {
    body: { secret_key: SecretKey.generate("imported").reveal() },
    changes: true,
  }),
  "POST /caches/:cache/keys/:key/retire": cache("manageCacheKeys", { changes: true }),
  "DELETE /caches/:cache/keys/:key": cache("manageCacheKeys", { changes: true }),
  "GET /caches/:cache/members": cache("viewCache"),
  "POST /caches/:cache/members": cache("manageCacheMembers", {
    body: { user: "newcomer", role: "View" },
    changes: true,
    grants: VIEW_CACHE,
  }),
  "PATCH /caches/:cache/members": cache("manageCacheMembers", {
    body: { ...guest, role: "View" },
    changes: true,
  }),
  "DELETE /caches/:cache/members": cache("manageCacheMembers", { body: guest, changes: true }),
  "GET /caches/:cache/nars": cache("read"),
  "GET /caches/:cache/nars/:hash": cache("read", { mayMiss: true }),
  "DELETE /caches/:cache/nars/:hash": cache("writeStore", { mayMiss: true }),
  "POST /caches/:cache/nars": cache("writeStore", { form: "nar", mayMiss: true }),
  "PUT /caches/:cache/nars/:hash/chunk": cache("writeStore", { query: "offset=0", mayMiss: true }),
  "POST /caches/:cache/nars/:hash/finalize": cache("writeStore", { body: nar, mayMiss: true }),
  "GET /caches/:cache/nars/available": cache("read", { query: `hash=${"0".repeat(32)}` }),
  "GET /caches/:cache/nars/stats": cache("read"),
  "GET /caches/:cache/stats": cache("read"),
  "GET /caches/:cache/stats/readers": cache("manageCacheMembers"),
  "GET /caches/:cache/public": cache("read"),
  "POST /caches/:cache/public": cache("manageCacheSettings", { changes: true }),
  "DELETE /caches/:cache/public": cache("manageCacheSettings", { changes: true }),
  "GET /caches/:cache/pins": cache("writeStore"),
  "POST /caches/:cache/pins": cache("writeStore", {
    body: { path: `/nix/store/${"0".repeat(32)}-thing` },
    mayMiss: true,
  }),
  "DELETE /caches/:cache/pins/:pin": cache("writeStore", { mayMiss: true }),
  "GET /caches/:cache/roles": cache("viewCache"),
  "POST /caches/:cache/roles": cache("manageCacheRoles", { body: role, changes: true }),
  "GET /caches/:cache/roles/:role": cache("viewCache"),
  "PATCH /caches/:cache/roles/:role": cache("manageCacheRoles", { body: {}, changes: true }),
  "DELETE /caches/:cache/roles/:role": cache("manageCacheRoles", { changes: true }),
  "GET /caches/:cache/upstreams": cache("viewCache"),
  "PUT /caches/:cache/upstreams": cache("manageCacheUpstreams", {
    body: {
      type: "gradient_proto",
      display_name: "Far",
      url: "https://far.example",
      remote_cache: "far",
    },
    changes: true,
  }),
  "PATCH /caches/:cache/upstreams/:upstream": cache("manageCacheUpstreams", {
    body: {},
    changes: true,
  }),
  "DELETE /caches/:cache/upstreams/:upstream": cache("manageCacheUpstreams", { changes: true }),
  "GET /commits/:id": commit(),
  "GET /evals/:id": organization("read"),
  "POST /evals/:id": organization("triggerEvaluation", { body: { method: "abort" } }),
  "GET /evals/:id/builds": organization("read"),
  "POST /evals/:id/builds": organization("member"),
  "GET /evals/:id/flake-graph": organization("read"),
  "GET /evals/:id/usage": organization("read"),
  "GET /evals/:id/difference": organization("read"),
  "GET /evals/:id/artefacts": organization("read"),
  "GET /evals/:id/closure": organization("read"),
  "GET /evals/:id/runtime-closure": organization("read"),
  "GET /evals/:id/live": organization("read"),
  "GET /evals/:id/messages": organization("read"),
  "POST /hooks/github": open({}),
  "POST /hooks/:forge/:org/:integration": open({}),
  "GET /orgs": anybody(),
  "PUT /orgs": creation({ body: { name: "made", display_name: "Made" } }),
  "GET /orgs/available": anybody({ query: "name=made" }),
  "GET /orgs/public": anybody(),
  "GET /orgs/:org": organization("read"),
  "PATCH /orgs/:org": organization("manageOrgSettings", { body: {}, changes: true }),
  "DELETE /orgs/:org": organization("deleteOrg", { changes: true }),
  "GET /orgs/:org/integrations": organization("manageIntegrations"),
  "PUT /orgs/:org/integrations": organization("manageIntegrations", {
    body: { name: "made", kind: "inbound", forge_type: "gitea", secret: "secret" },
    changes: true,
  }),
  "GET /orgs/:org/integrations/summary": organization("member"),
  "GET /orgs/:org/integrations/:id": organization("manageIntegrations", { mayMiss: true }),
  "PATCH /orgs/:org/integrations/:id": organization("manageIntegrations", {
    body: {},
    changes: true,
    mayMiss: true,
  }),
  "DELETE /orgs/:org/integrations/:id": organization("manageIntegrations", {
    changes: true,
    mayMiss: true,
  }),
  "GET /orgs/:org/known-hosts": organization("member"),
  "DELETE /orgs/:org/known-hosts/:host": organization("manageSshKey"),
  "POST /orgs/:org/public": organization("manageOrgSettings", { changes: true }),
  "DELETE /orgs/:org/public": organization("manageOrgSettings", { changes: true }),
  "GET /orgs/:org/roles": organization("member"),
  "POST /orgs/:org/roles": organization("manageRoles", { body: role, changes: true }),
  "GET /orgs/:org/roles/:role": organization("member"),
  "PATCH /orgs/:org/roles/:role": organization("manageRoles", { body: {}, changes: true }),
  "DELETE /orgs/:org/roles/:role": organization("manageRoles", { changes: true }),
  "GET /orgs/:org/ssh": organization("member"),
  "POST /orgs/:org/ssh": organization("manageSshKey", { changes: true }),
  "GET /orgs/:org/subscribe": organization("member"),
  "POST /orgs/:org/subscribe/:cache": subscription,
  "DELETE /orgs/:org/subscribe/:cache": subscription,
  "GET /orgs/:org/users": organization("read"),
  "POST /orgs/:org/users": organization("manageMembers", {
    body: { user: "newcomer", role: "View" },
    changes: true,
    grants: VIEW,
  }),
  "PATCH /orgs/:org/users": organization("manageMembers", {
    body: { ...guest, role: "View" },
    changes: true,
  }),
  "DELETE /orgs/:org/users": organization("manageMembers", { body: guest, changes: true }),
  "GET /orgs/:org/workers": organization("manageWorkers"),
  "POST /orgs/:org/workers": organization("manageWorkers", {
    body: { worker_id: "550e8400-e29b-41d4-a716-4466554400aa" },
  }),
  "PATCH /orgs/:org/workers/:worker_id": organization("manageWorkers", { body: {} }),
  "DELETE /orgs/:org/workers/:worker_id": organization("manageWorkers"),
  "GET /orgs/:org/usage": organization("member"),
  "GET /orgs/:org/usage.csv": organization("member"),
  "GET /orgs/:org/usage/metrics": organization("member"),
  "GET /orgs/:org/workers/:worker_id/metrics": organization("manageWorkers"),
  "POST /orgs/:org/workers/:worker_id/test": organization("manageWorkers"),
  "GET /projects/:org": organization("read"),
  "PUT /projects/:org": organization("createProject", { body: project, changes: true }),
  "GET /projects/:org/available": organization("member", { query: "name=made" }),
  "GET /projects/:org/:project": organization("read"),
  "PATCH /projects/:org/:project": organization("editProject", { body: {}, changes: true }),
  "DELETE /projects/:org/:project": organization("editProject", { changes: true }),
  "POST /projects/:org/:project/active": organization("editProject", { changes: true }),
  "DELETE /projects/:org/:project/active": organization("editProject", { changes: true }),
  "GET /projects/:org/:project/details": organization("read"),
  "GET /projects/:org/:project/entry-points": organization("read"),
  "GET /projects/:org/:project/badge": organization("read"),
  "GET /projects/:org/:project/cuirass": organization("read"),
  "PATCH /projects/:org/:project/cuirass": organization("editProject", {
    body: { priority: 3 },
    changes: true,
  }),
  "GET /projects/:org/:project/entry-point-downloads": organization("read", {
    query: "eval=x&filename=y",
    mayMiss: true,
  }),
  "GET /projects/:org/:project/evaluations": organization("read"),
  "GET /projects/:org/:project/live": organization("read"),
  "POST /projects/:org/:project/check-repository": organization("editProject", { changes: true }),
  "GET /projects/:org/:project/metrics": organization("read"),
  "GET /projects/:org/:project/entry-point-metrics": organization("read", { query: "eval=app" }),
  "GET /projects/:org/:project/actions": organization("member"),
  "POST /projects/:org/:project/actions": organization("manageActions", {
    body: { name: "made", config: { type: "send_web_request", url: "https://example.com/" } },
    changes: true,
  }),
  "GET /projects/:org/:project/actions/:id": organization("member", { mayMiss: true }),
  "PATCH /projects/:org/:project/actions/:id": organization("manageActions", {
    body: {},
    changes: true,
    mayMiss: true,
  }),
  "DELETE /projects/:org/:project/actions/:id": organization("manageActions", {
    changes: true,
    mayMiss: true,
  }),
  "POST /projects/:org/:project/actions/:id/test": organization("manageActions", {
    mayMiss: true,
  }),
  "POST /projects/:org/:project/actions/:id/regenerate-token": organization("manageActions", {
    changes: true,
    mayMiss: true,
  }),
  "GET /projects/:org/:project/actions/:id/deliveries": organization("manageActions", {
    mayMiss: true,
  }),
  "GET /projects/:org/:project/actions/:id/deliveries/:delivery_id": organization("manageActions", {
    mayMiss: true,
  }),
  "GET /projects/:org/:project/flake-inputs": organization("member"),
  "POST /projects/:org/:project/flake-inputs": organization("editProject", {
    body: { input_name: "nixpkgs", url: "github:NixOS/nixpkgs" },
    changes: true,
  }),
  "GET /projects/:org/:project/flake-inputs/:id": organization("member", { mayMiss: true }),
  "PATCH /projects/:org/:project/flake-inputs/:id": organization("editProject", {
    body: {},
    changes: true,
    mayMiss: true,
  }),
  "DELETE /projects/:org/:project/flake-inputs/:id": organization("editProject", {
    changes: true,
    mayMiss: true,
  }),
  "GET /projects/:org/:project/triggers": organization("member"),
  "POST /projects/:org/:project/triggers": organization("manageTriggers", {
    body: { config: { type: "polling", interval_secs: 300 } },
    changes: true,
  }),
  "GET /projects/:org/:project/triggers/:id": organization("member", { mayMiss: true }),
  "PATCH /projects/:org/:project/triggers/:id": organization("manageTriggers", {
    body: {},
    changes: true,
    mayMiss: true,
  }),
  "DELETE /projects/:org/:project/triggers/:id": organization("manageTriggers", {
    changes: true,
    mayMiss: true,
  }),
  "POST /projects/:org/:project/triggers/:id/test": organization("triggerEvaluation", {
    mayMiss: true,
  }),
  "POST /projects/:org/:project/evaluate": organization("triggerEvaluation"),
  "POST /projects/:org/:project/transfer": organization("editProject", {
    body: { organization: "nowhere" },
    changes: true,
    mayMiss: true,
  }),
  "GET /user": anybody(),
  // It wants the password once more, and gets a wrong one.
  "DELETE /user": { judge: () => 403, body: { password: "wrong" } },
  "GET /user/audit-log": anybody(),
  "GET /user/keys": anybody(),
  "POST /user/keys": session({ body: { name: "made", permissions: ["viewOrg"] } }),
  "DELETE /user/keys": session({ body: { name: "missing" }, mayMiss: true }),
  "GET /user/keys/permissions": anybody(),
  "PATCH /user/keys/:api_id": session({ body: {}, mayMiss: true }),
  "POST /user/keys/:api_id/revoke": session({ mayMiss: true }),
  "GET /user/search": anybody({ query: "q=user" }),
  "GET /user/sessions": anybody(),
  "DELETE /user/sessions/:id": session({ mayMiss: true }),
  "GET /user/settings": anybody(),
  "PATCH /user/settings": session({ body: {} }),
};
