/** A state file with something of every kind; tests spoil a copy of it. */
export function exampleState() {
  const secret = (name: string): string => `/run/secrets/${name}`;
  return {
    users: {
      alice: {
        name: "Alice A",
        email: "alice@example.org",
        password_file: secret("alice"),
        superuser: true,
      },
      bob: { email: "bob@example.org" } as {
        email: string;
        username?: string;
        password_hash?: string;
      },
    },
    organizations: {
      acme: {
        id: "0195c2a0-0000-7000-8000-000000000001",
        display_name: "Acme",
        reuse_build_failures: true,
        members: [
          { user: "alice", role: "Admin" },
          { user: "bob", role: "releaser" },
        ] as [{ user: string; role: string }, { user: string; role: string }],
      },
    },
    roles: {
      releaser: { organization: "acme", permissions: ["triggerEvaluation"] } as {
        organization?: string;
        permissions: string[];
      },
    },
    integrations: {
      git: {
        organization: "acme",
        kind: "inbound",
        forge_type: "gitea",
        secret_file: secret("hook"),
        created_by: "bob",
      },
      told: {
        organization: "acme",
        kind: "outbound",
        forge_type: "gitea",
        endpoint_url: "https://git.example.org",
        access_token_file: secret("forge"),
      },
    },
    projects: {
      site: {
        organization: "acme",
        repository: "https://example.org/site.git",
        wildcard: "packages.*.*",
        keep_evaluations: 5,
        sign_cache: true,
        flake_input_overrides: { nixpkgs: { url: "github:NixOS/nixpkgs/nixos-unstable" } },
        alias: "guix",
        priority: 3,
        open_hook: true,
        triggers: [
          { type: "polling", config: { interval_secs: 60, branch: "main" } },
          { type: "reporter_push", integration: "git", config: { branches: ["main"] } },
          { type: "time", active: false, config: { cron: "0 0 3 * * *" } },
        ] as [
          { type: string; config: { interval_secs: number; branch: string } },
          { type: string; integration: string; config: { branches: string[] } },
          { type: string; active: boolean; config: { cron: string } },
        ],
        actions: [
          {
            name: "chat",
            type: "send_web_request",
            events: ["evaluation.failed", "build.failed"],
            config: { url: "https://hooks.example.org/farm", token_file: secret("chat") },
          },
          { name: "statuses", type: "forge_status_report", config: { integration: "told" } },
          {
            name: "ops",
            type: "send_mail",
            active: false,
            events: ["evaluation.action_required"],
            config: { recipients: ["ops@example.org"], subject_template: "{project}: {event}" },
          },
        ] as [
          {
            name: string;
            type: string;
            events: string[];
            config: { url: string; token_file: string };
          },
          { name: string; type: string; config: { integration: string } },
          {
            name: string;
            type: string;
            active: boolean;
            events: string[];
            config: { recipients: string[]; subject_template: string };
          },
        ],
      },
      library: { organization: "acme", repository: "https://example.org/library.git" } as {
        organization: string;
        repository: string;
        alias?: string;
      },
    },
    caches: {
      main: {
        display_name: "Main",
        public: true,
        signing_key_file: secret("main-key"),
        signing_keys: [] as { public_key: string; sealed: string }[],
        organizations: ["acme"],
        upstreams: [
          { type: "internal", cache_name: "second" },
          {
            type: "external",
            display_name: "Nix community",
            url: "https://nix-community.cachix.org",
            public_key: "nix-community.cachix.org-1:mB9FSh9qf2dCimDSUo8Zy7bkq5CX+/rkCWyvRCYg3Fs=",
          },
          {
            type: "gradient",
            display_name: "Other farm",
            url: "https://farm.example.net",
            remote_cache: "all",
            api_key_file: secret("other-farm"),
          },
        ] as [
          { type: string; cache_name: string },
          { type: string; display_name: string; url: string; public_key: string },
          object,
        ],
        members: [{ user: "alice", role: "Admin" }],
      },
      second: {},
    },
    workers: {
      build1: {
        worker_id: "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        organizations: ["acme"],
        token_file: secret("build1"),
      } as { worker_id: string; organizations: string[]; token_file?: string },
    },
    api_keys: {
      ci: {
        owned_by: "alice",
        key_file: secret("ci"),
        permissions: ["viewOrg", "triggerEvaluation"],
        organization: "acme",
        allowed_ips: ["10.0.0.0/8"],
        expires_at: "2030-01-01T00:00:00Z",
      } as {
        owned_by: string;
        key_file: string;
        key_hash?: string;
        permissions: string[];
        organization: string;
        allowed_ips: string[];
        expires_at: string;
      },
    },
  };
}
