import { SecretKey } from "@gradient/protocol";

/**
 * A request that succeeds in the scene. What is not said: the parameters of the scene, no query, no body, the owner's credentials. `{name}` in query
 * and body stands for a value of the scene.
 */
export interface ValidRequest {
  params?: Readonly<Record<string, string>>;
  query?: string;
  body?: unknown;
  /** Sent by somebody else: it takes the sender's credentials away. */
  as?: "anonymous" | "leaver";
  /** The body is looked at only when its signature is right, so the walker's wrong bodies are refused for another reason. */
  isSigned?: true;
  /** Only a status is expected where the scene cannot have what a success needs; `because` says what is missing. */
  refused?: { status: number; because: string };
}

const ROLE = { name: "another", permissions: ["viewOrg"] };
const BARE = { name: "fresh", display_name: "Fresh" };
const CLAIM = {
  store_path: `${"0".repeat(32)}-thing`,
  file_hash: `sha256:${"0".repeat(52)}`,
  file_size: 1,
  nar_hash: `sha256:${"0".repeat(52)}`,
  nar_size: 1,
  references: [],
};
const PASSWORD = "Correct-Horse7";

const KEY = `worker:${"A".repeat(43)}=`;

const noNewKey = { status: 404, because: "no worker has shown another key" };
const noSignature = { status: 401, because: "a forge has signed nothing" };
const noProvider = { status: 400, because: "no OIDC provider is configured" };
const noMail = { status: 400, because: "no mail is configured" };
const noForm = (status = 415) => ({
  status,
  because: "the body is a form or a file; its own test sends one",
});
const noUpload = (status: number) => ({ status, because: "nothing was uploaded before" });
const noWebSocket = { status: 400, because: "the request asks for no upgrade" };

/**
 * By method and path of the document; a route that needs nothing special needs no line. What is destroyed is named `doomed` or made for it.
 */
export const validRequests: Readonly<Record<string, ValidRequest>> = {
  "POST /auth/basic/register": {
    body: { username: "newcomer", name: "New Comer", email: "new@example.com", password: PASSWORD },
  },
  "POST /auth/basic/login": { body: { loginname: "owner", password: PASSWORD } },
  "POST /auth/logout": { as: "anonymous" },
  "POST /auth/check-username": { body: { username: "somebody" } },
  "GET /auth/verify-email": { query: "token=x", refused: noMail },
  "POST /auth/resend-verification": { body: { username: "owner" }, refused: noMail },
  "POST /auth/oauth/authorize": { refused: noProvider },
  "GET /auth/oauth/authorize": { query: "code=x&state=y", refused: noProvider },
  "GET /auth/oidc/login": { refused: noProvider },
  "GET /auth/oidc/callback": { query: "code=x&state=y", refused: noProvider },
  // Comes after it was authorized.
  "POST /auth/cli/poll": { body: { device_code: "{device_code}" } },
  "GET /auth/cli/info": { query: "user_code={user_code}" },
  "POST /auth/cli/authorize": { body: { user_code: "{user_code}" } },
  "POST /auth/cli/deny": { body: { user_code: "{refused_user_code}" } },
  "DELETE /user": { as: "leaver", body: { password: PASSWORD } },
  "PATCH /user/keys/{api_id}": { body: { name: "renamed" } },
  "GET /user/search": { query: "q=stranger" },
  "PATCH /user/settings": { body: { name: "The Owner" } },
  "POST /user/keys": { body: { name: "key", permissions: ["viewOrg"] } },
  "DELETE /user/keys": { body: { name: "ci" } },
  "POST /admin/workers/{worker_id}/key": { body: { public_key: KEY }, refused: noNewKey },
  "DELETE /admin/workers/{worker_id}/key": { body: { public_key: KEY }, refused: noNewKey },
  "POST /admin/draining": { body: { enabled: false } },
  "POST /admin/maintenance/deep-gc": { body: { dry_run: true } },
  "POST /caches/{cache}/pins": { body: { evaluation: "{evaluation}" } },
  "PUT /orgs": { body: BARE },
  "GET /orgs/available": { query: "name=free" },
  "PATCH /orgs/{org}": { body: { description: "changed" } },
  "DELETE /orgs/{org}": { params: { org: "doomed" } },
  "POST /orgs/{org}/users": { body: { user: "stranger", role: "View" }, params: { org: "doomed" } },
  "PATCH /orgs/{org}/users": { body: { user: "member", role: "Write" } },
  "DELETE /orgs/{org}/users": { body: { user: "member" } },
  "POST /orgs/{org}/roles": { body: ROLE },
  "PATCH /orgs/{org}/roles/{role}": { body: { permissions: ["viewOrg", "editProject"] } },
  "POST /orgs/{org}/subscribe/{cache}": { params: { cache: "second" } },
  "POST /orgs/{org}/workers": { body: { worker_id: "550e8400-e29b-41d4-a716-446655440002" } },
  "PATCH /orgs/{org}/workers/{worker_id}": { body: { display_name: "Big" } },
  "DELETE /orgs/{org}/known-hosts/{host}": {
    refused: { status: 404, because: "no fetch has met a host" },
  },
  "POST /hooks/github": { body: {}, isSigned: true, refused: noSignature },
  "POST /hooks/{forge}/{org}/{integration}": { body: {}, isSigned: true, refused: noSignature },
  "PUT /orgs/{org}/integrations": {
    body: { name: "forge", kind: "inbound", forge_type: "gitea", secret: "s".repeat(32) },
  },
  "PATCH /orgs/{org}/integrations/{id}": { body: { display_name: "Forge" } },
  "PATCH /projects/{org}/{project}/cuirass": { body: { priority: 3 } },
  "POST /projects/{org}/{project}/transfer": {
    params: { project: "moving" },
    body: { organization: "doomed" },
  },
  "POST /projects/{org}/{project}/triggers": {
    body: { config: { type: "polling", interval_secs: 600 } },
  },
  "PATCH /projects/{org}/{project}/triggers/{id}": { body: { active: false } },
  "POST /projects/{org}/{project}/flake-inputs": {
    body: { input_name: "nixpkgs", url: "github:NixOS/nixpkgs/nixos-unstable" },
  },
  "PATCH /projects/{org}/{project}/flake-inputs/{id}": { body: { input_name: "other" } },
  "POST /projects/{org}/{project}/actions": {
    body: {
      name: "hook",
      config: { type: "send_web_request", url: "https://example.com/hook" },
      events: ["evaluation.failed"],
    },
  },
  "PATCH /projects/{org}/{project}/actions/{id}": { body: { active: false } },
  "PUT /projects/{org}": {
    body: { ...BARE, repository: "https://example.com/f.git", wildcard: "*" },
  },
  "GET /projects/{org}/{project}/entry-point-metrics": { query: "eval=packages.app" },
  "GET /projects/{org}/available": { query: "name=free" },
  "PATCH /projects/{org}/{project}": { body: { description: "changed" } },
  "DELETE /projects/{org}/{project}": { params: { project: "doomed" } },
  "GET /projects/{org}/{project}/entry-point-downloads": {
    query: "eval=packages.app&filename=notes.txt",
    refused: { status: 404, because: "the entry point is not built" },
  },
  "GET /projects/{org}/{project}/live": { refused: noWebSocket },
  "POST /evals/{id}": { body: { method: "abort" } },
  "GET /evals/{id}/live": { refused: noWebSocket },
  "POST /evals/{id}/builds": {
    refused: { status: 0, because: "the evaluation never ends here, and neither does the stream" },
  },
  "POST /builds": { refused: noForm() },
  "GET /builds/{id}/live": { refused: noWebSocket },
  "GET /builds/{id}/log/lines": { query: "start=1&end=2" },
  "GET /builds/{id}/log/search": { query: "q=x" },
  "GET /builds/{id}/log/chunk/{index}": { refused: { status: 404, because: "the log is empty" } },
  "POST /build-requests/manifest": {
    body: { organization: "acme", files: [{ path: "flake.nix", hash: "0".repeat(64), size: 1 }] },
  },
  "POST /build-requests/source": { query: "organization=acme", refused: noForm() },
  "POST /build-requests/{session}/blobs": { refused: noUpload(404) },
  "POST /build-requests/{session}/dispatch": { body: {}, refused: noUpload(404) },
  "PUT /build-requests/source/{upload}/chunk": { query: "offset=0", refused: noForm(400) },
  "POST /build-requests/source/{upload}/finalize": {
    query: "organization=acme",
    refused: noUpload(400),
  },
  "PUT /caches": { body: { ...BARE, priority: 40 } },
  "GET /caches/available": { query: "name=free" },
  "PATCH /caches/{cache}": { body: { description: "changed" } },
  "DELETE /caches/{cache}": { params: { cache: "doomed" } },
  "POST /caches/{cache}/keys": { body: {} },
  "DELETE /caches/{cache}/keys/{key}": { params: { key: "{doomed_key}" } },
  "POST /caches/{cache}/keys/import": {
    body: { secret_key: SecretKey.generate("imported").reveal() },
  },
  "POST /caches/{cache}/members": {
    body: { user: "stranger", role: "View" },
    params: { cache: "doomed" },
  },
  "PATCH /caches/{cache}/members": { body: { user: "member", role: "Write" } },
  "DELETE /caches/{cache}/members": { body: { user: "member" } },
  "POST /caches/{cache}/roles": { body: { ...ROLE, permissions: ["viewCache"] } },
  "PATCH /caches/{cache}/roles/{role}": { body: { permissions: ["viewCache", "readStore"] } },
  "PUT /caches/{cache}/upstreams": { body: { type: "internal", cache_name: "second" } },
  "PATCH /caches/{cache}/upstreams/{upstream}": { body: { display_name: "Official" } },
  "GET /caches/{cache}/nars/available": { query: `hash=${"0".repeat(32)}` },
  "POST /caches/{cache}/nars": { refused: noForm() },
  "PUT /caches/{cache}/nars/{hash}/chunk": { query: "offset=0", refused: noForm(400) },
  "POST /caches/{cache}/nars/{hash}/finalize": { body: CLAIM, refused: noUpload(400) },
};
