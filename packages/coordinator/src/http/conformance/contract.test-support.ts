import type { Access } from "../plugins/access.ts";

/** One operation that clients of Gradient's API expect, and who may come in. */
export interface Row {
  method: string;
  path: string;
  access: Access;
}

/** `GET /orgs/{org}`; the names of parameters do not matter. */
export function keyOf(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.replaceAll(/\{[^}]+\}/g, "{}")}`;
}

function rows(text: string): Row[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [method = "", path = "", access = ""] = line.trim().split(/\s+/);
      return { method, path, access: access as Access };
    });
}

/**
 * Gradient's API: the operations of its documentation, those that its command-line client and a basic user interface need. A path of ours that
 * is not here stands in `additions`.
 */
export const contract = rows(`
  POST   /auth/basic/register                               none
  POST   /auth/basic/login                                  none
  POST   /auth/check-username                               none
  GET    /auth/verify-email                                 none
  POST   /auth/resend-verification                          none
  POST   /auth/oauth/authorize                              none
  GET    /auth/oidc/login                                   none
  GET    /auth/oidc/callback                                none
  POST   /auth/logout                                       optional
  POST   /auth/cli/start                                    none
  POST   /auth/cli/poll                                     none
  GET    /auth/cli/info                                     required
  POST   /auth/cli/authorize                                required
  POST   /auth/cli/deny                                     required
  GET    /health                                            none
  GET    /config                                            none
  GET    /user                                              required
  DELETE /user                                              required
  GET    /user/keys                                         required
  POST   /user/keys                                         required
  DELETE /user/keys                                         required
  GET    /user/keys/permissions                             required
  PATCH  /user/keys/{api_id}                                required
  POST   /user/keys/{api_id}/revoke                         required
  GET    /user/settings                                     required
  PATCH  /user/settings                                     required
  GET    /user/sessions                                     required
  DELETE /user/sessions/{id}                                required
  GET    /user/search                                       required
  GET    /orgs                                              required
  PUT    /orgs                                              required
  GET    /orgs/available                                    required
  GET    /orgs/public                                       optional
  GET    /orgs/{org}                                        optional
  PATCH  /orgs/{org}                                        required
  DELETE /orgs/{org}                                        required
  POST   /orgs/{org}/public                                 required
  DELETE /orgs/{org}/public                                 required
  GET    /orgs/{org}/users                                  optional
  POST   /orgs/{org}/users                                  required
  PATCH  /orgs/{org}/users                                  required
  DELETE /orgs/{org}/users                                  required
  GET    /orgs/{org}/ssh                                    required
  POST   /orgs/{org}/ssh                                    required
  GET    /orgs/{org}/subscribe                              required
  POST   /orgs/{org}/subscribe/{cache}                      required
  DELETE /orgs/{org}/subscribe/{cache}                      required
  GET    /orgs/{org}/workers                                required
  POST   /orgs/{org}/workers                                required
  PATCH  /orgs/{org}/workers/{worker_id}                    required
  DELETE /orgs/{org}/workers/{worker_id}                    required
  GET    /admin/workers                                     superuser
  GET    /projects/{org}                                    optional
  PUT    /projects/{org}                                    required
  GET    /projects/{org}/available                          required
  GET    /projects/{org}/{project}                          optional
  PATCH  /projects/{org}/{project}                          required
  DELETE /projects/{org}/{project}                          required
  GET    /projects/{org}/{project}/details                  optional
  GET    /projects/{org}/{project}/entry-points             optional
  GET    /projects/{org}/{project}/entry-point-downloads    optional
  GET    /projects/{org}/{project}/badge                    optional
  GET    /projects/{org}/{project}/evaluations              optional
  GET    /projects/{org}/{project}/live                     optional
  POST   /projects/{org}/{project}/check-repository         required
  POST   /projects/{org}/{project}/evaluate                 required
  POST   /projects/{org}/{project}/active                   required
  DELETE /projects/{org}/{project}/active                   required
  GET    /projects/{org}/{project}/triggers                 required
  POST   /projects/{org}/{project}/triggers                 required
  GET    /projects/{org}/{project}/triggers/{id}            required
  PATCH  /projects/{org}/{project}/triggers/{id}            required
  DELETE /projects/{org}/{project}/triggers/{id}            required
  POST   /projects/{org}/{project}/triggers/{id}/test       required
  GET    /projects/{org}/{project}/flake-inputs             required
  POST   /projects/{org}/{project}/flake-inputs             required
  GET    /projects/{org}/{project}/flake-inputs/{id}        required
  PATCH  /projects/{org}/{project}/flake-inputs/{id}        required
  DELETE /projects/{org}/{project}/flake-inputs/{id}        required
  GET    /evals/{id}                                        optional
  POST   /evals/{id}                                        required
  GET    /evals/{id}/builds                                 optional
  POST   /evals/{id}/builds                                 required
  GET    /evals/{id}/messages                               optional
  GET    /evals/{id}/artefacts                              optional
  GET    /evals/{id}/live                                   optional
  POST   /builds                                            required
  GET    /builds/direct/recent                              required
  GET    /builds/{id}                                       optional
  GET    /builds/{id}/log                                   optional
  POST   /builds/{id}/log                                   required
  GET    /builds/{id}/log/lines                             optional
  GET    /builds/{id}/log/search                            optional
  GET    /builds/{id}/graph                                 optional
  GET    /builds/{id}/dependencies                          optional
  GET    /builds/{id}/downloads                             optional
  GET    /builds/{id}/download/{filename}                   optional
  GET    /builds/{id}/download-token                        required
  GET    /builds/{id}/live                                  optional
  POST   /build-requests/manifest                           required
  POST   /build-requests/{session}/blobs                    required
  POST   /build-requests/{session}/dispatch                 required
  POST   /build-requests/source                             required
  PUT    /build-requests/source/{upload}/chunk              required
  POST   /build-requests/source/{upload}/finalize           required
  GET    /caches                                            required
  PUT    /caches                                            required
  GET    /caches/available                                  required
  GET    /caches/public                                     optional
  GET    /caches/{cache}                                    optional
  PATCH  /caches/{cache}                                    required
  DELETE /caches/{cache}                                    required
  POST   /caches/{cache}/active                             required
  DELETE /caches/{cache}/active                             required
  GET    /caches/{cache}/public                             optional
  POST   /caches/{cache}/public                             required
  DELETE /caches/{cache}/public                             required
  GET    /caches/{cache}/key                                optional
  GET    /caches/{cache}/public-key                         optional
  GET    /caches/{cache}/stats                              optional
  GET    /caches/{cache}/nars                               optional
  POST   /caches/{cache}/nars                               required
  GET    /caches/{cache}/nars/stats                         optional
  GET    /caches/{cache}/nars/available                     optional
  GET    /caches/{cache}/nars/{hash}                        optional
  DELETE /caches/{cache}/nars/{hash}                        required
  PUT    /caches/{cache}/nars/{hash}/chunk                  required
  POST   /caches/{cache}/nars/{hash}/finalize               required
  GET    /caches/{cache}/upstreams                          required
  PUT    /caches/{cache}/upstreams                          required
  PATCH  /caches/{cache}/upstreams/{id}                     required
  DELETE /caches/{cache}/upstreams/{id}                     required
  GET    /commits/{id}                                      optional
`);

/** Rows of the contract that nothing serves yet. A row that is served has to go from here. */
export const notYetServed: readonly string[] = [];

/** Served beside the contract, each with the reason. Gradient's own advanced operations are additions, too. */
export const additions: Readonly<Record<string, string>> = {
  "GET /openapi.json": "the description of the API itself",
  "GET /auth/oauth/authorize": "Gradient's: the OIDC code exchange for programs",
  "GET /user/audit-log": "Gradient's: what was done with the account",
  "GET /orgs/{org}/known-hosts":
    "hosts are believed by the key that they showed first, so it can be seen",
  "DELETE /orgs/{org}/known-hosts/{host}": "and forgotten",
  "GET /orgs/{org}/roles": "Gradient's: roles of one's own",
  "POST /orgs/{org}/roles": "Gradient's: roles of one's own",
  "GET /orgs/{org}/roles/{role}": "Gradient's: roles of one's own",
  "PATCH /orgs/{org}/roles/{role}": "Gradient's: roles of one's own",
  "DELETE /orgs/{org}/roles/{role}": "Gradient's: roles of one's own",
  "GET /caches/{cache}/roles": "Gradient's: roles of one's own",
  "POST /caches/{cache}/roles": "Gradient's: roles of one's own",
  "GET /caches/{cache}/roles/{role}": "Gradient's: roles of one's own",
  "PATCH /caches/{cache}/roles/{role}": "Gradient's: roles of one's own",
  "DELETE /caches/{cache}/roles/{role}": "Gradient's: roles of one's own",
  "GET /caches/{cache}/stats/readers": "who reads a private cache, and how much",
  "GET /caches/{cache}/keys": "a cache has several keys: they can be seen",
  "POST /caches/{cache}/keys": "made",
  "POST /caches/{cache}/keys/import": "brought along",
  "POST /caches/{cache}/keys/{key}/retire": "retired",
  "DELETE /caches/{cache}/keys/{key}": "and taken away",
  "GET /caches/{cache}/members": "Gradient's: members of a cache",
  "POST /caches/{cache}/members": "Gradient's: members of a cache",
  "PATCH /caches/{cache}/members": "Gradient's: members of a cache",
  "DELETE /caches/{cache}/members": "Gradient's: members of a cache",
  "GET /orgs/{org}/usage": "what builds used, by day",
  "GET /orgs/{org}/usage.csv": "the same as a table",
  "GET /health/ready": "whether the server can do what it is there for",
  "GET /orgs/{org}/usage/metrics": "the same for Prometheus",
  "GET /orgs/{org}/workers/{worker_id}/metrics": "Gradient's: what a worker did",
  "POST /orgs/{org}/workers/{worker_id}/test": "Gradient's: asks a worker for a sign of life",
  "GET /admin/workers/keys": "a worker's changed signing key waits for an administrator",
  "POST /admin/workers/{worker_id}/key": "who believes it",
  "DELETE /admin/workers/{worker_id}/key": "or not",
  "GET /orgs/{org}/integrations": "Gradient's: credentials of forges",
  "PUT /orgs/{org}/integrations": "Gradient's: credentials of forges",
  "GET /orgs/{org}/integrations/summary": "Gradient's: credentials of forges",
  "GET /orgs/{org}/integrations/{id}": "Gradient's: credentials of forges",
  "PATCH /orgs/{org}/integrations/{id}": "Gradient's: credentials of forges",
  "DELETE /orgs/{org}/integrations/{id}": "Gradient's: credentials of forges",
  "POST /hooks/github": "Gradient's: what forges call",
  "POST /hooks/{forge}/{org}/{integration}": "Gradient's: what forges call",
  "GET /projects/{org}/{project}/cuirass": "alias, priority and hook for clients of Cuirass",
  "PATCH /projects/{org}/{project}/cuirass": "alias, priority and hook for clients of Cuirass",
  "GET /projects/{org}/{project}/actions": "Gradient's: whom a project tells",
  "POST /projects/{org}/{project}/actions": "Gradient's: whom a project tells",
  "GET /projects/{org}/{project}/actions/{id}": "Gradient's: whom a project tells",
  "PATCH /projects/{org}/{project}/actions/{id}": "Gradient's: whom a project tells",
  "DELETE /projects/{org}/{project}/actions/{id}": "Gradient's: whom a project tells",
  "POST /projects/{org}/{project}/actions/{id}/test": "Gradient's: whom a project tells",
  "POST /projects/{org}/{project}/actions/{id}/regenerate-token":
    "Gradient's: whom a project tells",
  "GET /projects/{org}/{project}/actions/{id}/deliveries": "Gradient's: and what it told them",
  "GET /projects/{org}/{project}/actions/{id}/deliveries/{delivery_id}":
    "Gradient's: and what it told them",
  "POST /projects/{org}/{project}/transfer": "Gradient's: to another organization",
  "POST /admin/maintenance/deep-gc": "Gradient's: a garbage collection now",
  "POST /admin/maintenance/fsck": "and a check of all that is stored",
  "GET /admin/tasks": "Gradient's: how far they are",
  "GET /admin/tasks/{task}": "Gradient's: how far they are",
  "GET /caches/{cache}/pins": "what a cache keeps although nobody fetches it",
  "POST /caches/{cache}/pins": "what a cache keeps although nobody fetches it",
  "DELETE /caches/{cache}/pins/{pin}": "what a cache keeps although nobody fetches it",
  "GET /builds/{id}/attempts": "every execution with what it used",
  "GET /builds/{id}/log/chunks": "Gradient's: large logs in parts",
  "GET /builds/{id}/log/chunk/{index}": "Gradient's: large logs in parts",
  "GET /builds/{id}/closure": "Gradient's: what a build needs, by size",
  "GET /builds/{id}/runtime-closure": "Gradient's: what a build's outputs need, by size",
  "GET /evals/{id}/closure": "Gradient's: what an evaluation's builds need, by size",
  "GET /evals/{id}/runtime-closure": "Gradient's: what its outputs need, by size",
  "GET /evals/{id}/difference": "which jobs are new, gone, broken or fixed",
  "GET /evals/{id}/flake-graph": "Gradient's: the attributes of a flake as a tree",
  "GET /projects/{org}/{project}/metrics": "Gradient's: figures for charts",
  "GET /projects/{org}/{project}/entry-point-metrics": "Gradient's: figures for charts",
  "POST /admin/draining": "Gradient's: before the server is stopped",
  "GET /admin/state": "Gradient's: the farm as a state file",
  "GET /evals/{id}/usage": "what fetching and evaluating used",
};
