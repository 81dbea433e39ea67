import { describe, expect, test } from "vitest";
import { exampleState } from "./example-state.test-support.ts";
import { checkState } from "./check-state.ts";

const NOW = Date.UTC(2026, 0, 1);
const PINNED = { id: "0195c2a0-0000-7000-8000-00000000000a" };

function problemsOf(content: unknown): Record<string, string> {
  const checked = checkState(content, NOW);
  if ("declared" in checked) return {};
  return Object.fromEntries(checked.problems.map(({ path, message }) => [path, message]));
}

test("a file that holds together is good, with nulls for what is left out, and so is an empty one", () => {
  expect(problemsOf(exampleState())).toEqual({});
  expect(problemsOf({})).toEqual({});
  expect(problemsOf({ users: { alice: { email: "a@x.example", name: null } } })).toEqual({});
});

test("Gradient's own words are taken where they say nothing, and else answered with what to write instead", () => {
  const state = exampleState();
  Object.assign(state.projects.library, { outbound_integration: null });
  Object.assign(state.workers.build1, { base_worker: false, authorize_against: null });
  expect(problemsOf(state)).toEqual({});
  Object.assign(state.projects.library, { outbound_integration: "told" });
  Object.assign(state.workers.build1, { base_worker: true, authorize_against: "0195c2a0" });
  expect(problemsOf(state)).toEqual({
    "$.projects.library.outbound_integration": expect.stringContaining("outbound integration"),
    "$.workers.build1.base_worker": expect.stringContaining("list every organization"),
    "$.workers.build1.authorize_against": expect.stringContaining("*:TOKEN"),
  });
});

test("defaults are Gradient's", () => {
  const checked = checkState(exampleState(), NOW);
  if (!("declared" in checked)) throw new Error("the example is refused");
  const { caches, organizations, projects, users, workers } = checked.declared;
  expect(projects[1]).toMatchObject({
    name: "library",
    wildcard: "packages.x86_64-linux.*",
    keep_evaluations: 1,
    concurrency: "soft_abort",
    sign_cache: true,
    active: true,
    priority: 5,
    open_hook: false,
  });
  expect(caches[1]).toMatchObject({
    priority: 10,
    max_storage_gb: 0,
    public: false,
    upstreams: [{ type: "external", url: "https://cache.nixos.org" }],
  });
  expect(organizations[0]).toMatchObject({ public: false, hide_build_requests: false });
  expect(users[1]).toMatchObject({ email_verified: true, superuser: false });
  expect(workers[0]).toMatchObject({ enable_fetch: true, enable_eval: true, enabled: true });
});

describe("what is wrong is told with its path and what to do", () => {
  test.each([
    ["a file that is no object", [], { $: /expected object/ }],
    [
      "unknown words",
      { users: {}, usres: {}, organizations: { a: { colour: 1, created_by: "x" } } },
      { "$.usres": /remove it/, "$.organizations.a.colour": /remove it/ },
    ],
    [
      "types",
      { caches: { a: { priority: "high" } }, projects: { "a b": {} } },
      {
        "$.caches.a.priority": /expected number/,
        '$.projects["a b"].repository': /expected string/,
        '$.projects["a b"].organization': /expected string/,
      },
    ],
  ])("%s", (_, content, expected) => {
    const found = problemsOf(content);
    for (const [path, message] of Object.entries(expected)) expect(found[path]).toMatch(message);
  });

  test.each<[string, (state: ReturnType<typeof exampleState>) => void, string, RegExp]>([
    ["user names", (s) => void (s.users.bob.username = "b"), "$.users.bob", /3 to 50/],
    [
      "taken names",
      (s) => void (s.users.bob.username = "alice"),
      "$.users.bob",
      /\$\.users\.alice/,
    ],
    [
      "taken addresses",
      (s) => void (s.users.bob.email = "Alice@example.org"),
      "$.users.bob.email",
      /same/,
    ],
    [
      "no hash",
      (s) => void (s.users.bob.password_hash = "secret"),
      "$.users.bob.password_hash",
      /hash-password/,
    ],
    [
      "strangers",
      (s) => void (s.organizations.acme.members[0].user = "eve"),
      "$.organizations.acme.members[0].user",
      /"eve" is not in this file: declare it under users/,
    ],
    [
      "roles that are none",
      (s) => void (s.organizations.acme.members[1].role = "boss"),
      "$.organizations.acme.members[1].role",
      /Admin, Write, View, releaser/,
    ],
    [
      "nobody in charge",
      (s) => void (s.organizations.acme.members[0].role = "View"),
      "$.organizations.acme.members",
      /Admin/,
    ],
    [
      "creators",
      (s) => void (s.users.alice.superuser = false),
      "$.organizations.acme.created_by",
      /name one/,
    ],
    [
      "permissions",
      (s) => s.roles.releaser.permissions.push("fly"),
      "$.roles.releaser.permissions[1]",
      /"fly" is no permission/,
    ],
    [
      "a role of nothing",
      (s) => void delete s.roles.releaser.organization,
      "$.roles.releaser",
      /organization or cache is missing/,
    ],
    [
      "repositories",
      (s) => void (s.projects.site.repository = "file:///x"),
      "$.projects.site.repository",
      /repository/,
    ],
    [
      "cron",
      (s) => void (s.projects.site.triggers[2].config.cron = "x"),
      "$.projects.site.triggers[2].config",
      /six fields/,
    ],
    [
      "intervals",
      (s) => void (s.projects.site.triggers[0].config.interval_secs = 1),
      "$.projects.site.triggers[0].config",
      /from 10/,
    ],
    [
      "integrations",
      (s) => void (s.projects.site.triggers[1].integration = "gone"),
      "$.projects.site.triggers[1].integration",
      /inbound integration/,
    ],
    [
      "inputs of flakes",
      (s) => void (s.projects.site.flake_input_overrides.nixpkgs.url = "../nixpkgs"),
      "$.projects.site.flake_input_overrides.nixpkgs",
      /has to be remote/,
    ],
    [
      "addresses of actions",
      (s) => void (s.projects.site.actions[0].config.url = "hooks.example.org"),
      "$.projects.site.actions[0].config.url",
      /https:/,
    ],
    [
      "events of actions",
      (s) => s.projects.site.actions[0].events.push("build.late"),
      "$.projects.site.actions[0].events[2]",
      /build.failed/,
    ],
    [
      "forges of actions",
      (s) => void (s.projects.site.actions[1].config.integration = "git"),
      "$.projects.site.actions[1].config.integration",
      /outbound integration/,
    ],
    [
      "recipients",
      (s) => s.projects.site.actions[2].config.recipients.push("ops"),
      "$.projects.site.actions[2].config.recipients[1]",
      /no|not an e-mail/,
    ],
    [
      "names of actions",
      (s) => void (s.projects.site.actions[2].name = "chat"),
      "$.projects.site.actions[2]",
      /the same as that of/,
    ],
    [
      "types of actions",
      (s) => void (s.projects.site.actions[2].type = "open_pr"),
      "$.projects.site.actions[2].type",
      /send_mail, send_web_request or forge_status_report/,
    ],
    [
      "organizations",
      (s) => void (s.caches.main.organizations = ["acme", "none"]),
      "$.caches.main.organizations[1]",
      /declare it under organizations/,
    ],
    [
      "circles",
      (s) => void (s.caches.main.upstreams[0].cache_name = "main"),
      "$.caches.main.upstreams[0].cache_name",
      /its own upstream/,
    ],
    [
      "keys of upstreams",
      (s) => void (s.caches.main.upstreams[1].public_key = "x"),
      "$.caches.main.upstreams[1].public_key",
      /public key/,
    ],
    [
      "ids of workers",
      (s) => void (s.workers.build1.worker_id = "1"),
      "$.workers.build1.worker_id",
      /UUID version 4/,
    ],
    [
      "no token",
      (s) => void delete s.workers.build1.token_file,
      "$.workers.build1",
      /token_file or token_hash is missing/,
    ],
    [
      "two secrets",
      (s) => void (s.api_keys.ci.key_hash = "0".repeat(64)),
      "$.api_keys.ci",
      /not both/,
    ],
    [
      "sealed secrets without ids",
      (s) =>
        void (s.caches.main.signing_keys = [
          {
            public_key: "k:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
            sealed: "01234567:aaaa:bbbb",
          },
        ]),
      "$.caches.main.id",
      /take it from the export/,
    ],
    [
      "two aliases",
      (s) => void (s.projects.library.alias = "guix"),
      "$.projects.library.alias",
      /the same as that of \$\.projects\.site\.alias/,
    ],
    [
      "aliases that are no names",
      (s) => void (s.projects.site.alias = "acme.site"),
      "$.projects.site.alias",
      /alias/,
    ],
    [
      "ids of two caches",
      (s) => void [Object.assign(s.caches.main, PINNED), Object.assign(s.caches.second, PINNED)],
      "$.caches.second.id",
      /the same as that of \$\.caches\.main\.id/,
    ],
    [
      "ids of two integrations",
      (s) =>
        void [
          Object.assign(s.integrations.git, PINNED),
          Object.assign(s.integrations.told, PINNED),
        ],
      "$.integrations.told.id",
      /the same/,
    ],
    [
      "ids of two actions",
      (s) => void s.projects.site.actions.slice(1).map((each) => Object.assign(each, PINNED)),
      "$.projects.site.actions[2].id",
      /the same/,
    ],
    [
      "relative files",
      (s) => void (s.workers.build1.token_file = "token"),
      "$.workers.build1.token_file",
      /absolute path/,
    ],
    [
      "addresses of keys",
      (s) => void (s.api_keys.ci.allowed_ips = ["x"]),
      "$.api_keys.ci.allowed_ips",
      /neither/,
    ],
  ])("%s", (_, spoil, path, message) => {
    const state = exampleState();
    spoil(state);
    expect(problemsOf(state)[path]).toMatch(message);
  });
});
