import { showTree } from "../products.test-support.ts";
import { seedEvaluation } from "../seed.test-support.ts";
import { openTestServer, PASSWORD, type TestServer } from "../server.test-support.ts";

/** A server with one of everything, all of it private: what fixtures name. */
export interface Scene {
  server: TestServer;
  /** Owns everything, and is the superuser. */
  owner: string;
  /** Has an organization and a cache of their own and no part in the others. */
  stranger: string;
  anonymous: undefined;
  /** Whose account may be deleted. */
  leaver: string;
  /** Of a session that was ended. */
  dead: string;
  /** Values of path parameters by name; `id` by the area of the path. */
  params: Readonly<Record<string, string>>;
}

const WORKER = "550e8400-e29b-41d4-a716-446655440001";

export async function openScene(): Promise<Scene> {
  const server = await openTestServer();
  const owner = await server.user("owner", true);
  const stranger = await server.user("stranger");
  const leaver = await server.user("leaver");
  await server.user("member");
  const dead = await server.user("gone");
  await server.post("auth/logout", dead);
  await server.put("orgs", stranger, { name: "other", display_name: "Other" });
  for (const name of ["acme", "doomed"]) {
    await server.put("orgs", owner, { name, display_name: name });
  }
  for (const name of ["main", "second", "doomed"]) {
    await server.put("caches", owner, { name, display_name: name, priority: 40 });
  }
  await server.post("orgs/acme/subscribe/main", owner);
  await server.post("orgs/acme/users", owner, { user: "member", role: "View" });
  await server.post("caches/main/members", owner, { user: "member", role: "View" });
  await server.post("orgs/acme/workers", owner, { worker_id: WORKER });
  for (const name of ["ci", "old"]) await server.key(owner, { name, permissions: ["viewOrg"] });
  const project = { display_name: "P", repository: "https://example.com/p.git", wildcard: "*" };
  for (const name of ["tools", "doomed", "moving"]) {
    await server.put("projects/acme", owner, { ...project, name });
  }
  return {
    server,
    anonymous: undefined,
    owner,
    stranger,
    leaver,
    dead,
    params: { ...(await seed(server, owner)), ...(await account(server, owner)) },
  };
}

/** Keys, sessions and device logins of the owner. */
async function account(server: TestServer, owner: string): Promise<Record<string, string>> {
  await server.post("auth/basic/login", undefined, { loginname: "owner", password: PASSWORD });
  const sessions = (await server.get("user/sessions", owner)).message as {
    id: string;
    current: boolean;
  }[];
  const keys = (await server.get("user/keys", owner)).message as { id: string; name: string }[];
  const device = (await server.post("auth/cli/start")).message as Record<string, string>;
  const refused = (await server.post("auth/cli/start")).message as Record<string, string>;
  return {
    api_id: keys.find((key) => key.name === "old")?.id ?? "",
    "user.id": sessions.find((session) => !session.current)?.id ?? "",
    user_code: device["user_code"] ?? "",
    device_code: device["device_code"] ?? "",
    refused_user_code: refused["user_code"] ?? "",
  };
}

async function seed(server: TestServer, owner: string): Promise<Record<string, string>> {
  const ids = async (path: string) => String((await server.get(path, owner)).message.id);
  const [organizationId, projectId, cacheId] = await Promise.all([
    ids("orgs/acme"),
    ids("projects/acme/tools"),
    ids("caches/main"),
  ]);
  const { kysely } = server.services.database;
  const seeded = await seedEvaluation(kysely, { organizationId, projectId, userId: null });
  const out = seeded.base.drvPath.replace(/\.drv$/, "");
  await showTree(server, cacheId, out, {
    "notes.txt": "notes",
    "nix-support/hydra-build-products": `doc text /nix/store/${out}/notes.txt\n`,
  });
  const forge = { name: "hook", kind: "inbound", forge_type: "gitea", secret: "s".repeat(32) };
  await server.put("orgs/acme/integrations", owner, forge);
  const first = async (path: string) =>
    ((await server.get(path, owner)).message as { id: string }[])[0]?.id ?? "";
  const role = { name: "helper", permissions: ["viewOrg"] };
  await server.post("orgs/acme/roles", owner, role);
  await server.post("caches/main/roles", owner, { ...role, permissions: ["viewCache"] });
  const roleOf = async (path: string) => {
    const { roles } = (await server.get(path, owner)).message as {
      roles: { id: string; name: string }[];
    };
    return roles.find((each) => each.name === role.name)?.id ?? "";
  };
  const newKey = async (name: string): Promise<string> =>
    (await server.post("caches/main/keys", owner, { name })).message.id;
  const pin = await server.post("caches/main/pins", owner, { path: out });
  const action = await server.post("projects/acme/tools/actions", owner, {
    name: "chat",
    config: { type: "send_web_request", url: "https://example.com/hook" },
  });
  const input = { input_name: "systems", url: "github:nix-systems/default" };
  await server.post("projects/acme/tools/flake-inputs", owner, input);
  const { id: actionId } = action.message.action as { id: string };
  await server.post(`projects/acme/tools/actions/${actionId}/test`, owner);
  const told = await server.get(`projects/acme/tools/actions/${actionId}/deliveries`, owner);
  const task = await server.post("admin/maintenance/fsck", owner);
  await server.services.maintenance.idle();
  return {
    pin: String(pin.message),
    task: String(task.message.task_id),
    key: await newKey("spare"),
    doomed_key: await newKey("doomed"),
    org: "acme",
    project: "tools",
    cache: "main",
    "evals.id": seeded.evaluationId,
    "builds.id": seeded.base.id,
    "commits.id": seeded.commitId,
    "orgs.role": await roleOf("orgs/acme/roles"),
    "caches.role": await roleOf("caches/main/roles"),
    upstream: await first("caches/main/upstreams"),
    "integrations.id": await first("orgs/acme/integrations"),
    "actions.id": actionId,
    "deliveries.delivery_id": String(told.message.items[0].id),
    "flake-inputs.id": await first("projects/acme/tools/flake-inputs"),
    "triggers.id": await first("projects/acme/tools/triggers"),
    forge: "gitea",
    integration: "hook",
    worker_id: WORKER,
    host: "example.com",
    hash: out.slice(0, 32),
    filename: "notes.txt",
    index: "0",
    upload: "f".repeat(64),
    session: "019a0000-0000-7000-8000-00000000dead",
    commit: seeded.commitId,
    evaluation: seeded.evaluationId,
    store_path: out,
  };
}
