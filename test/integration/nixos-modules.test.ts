import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, test } from "vitest";
import {
  analyzeUnit,
  evaluateSystem,
  nixpkgs,
  unitText,
  type ServiceView,
  type SystemView,
} from "../support/nixos.ts";
import { commands, root } from "../support/programs.ts";

const PLAIN = `{
  services.gradient-coordinator = { enable = true; domain = "farm.example.org"; };
  services.gradient-worker = { enable = true; serverUrl = "wss://farm.example.org"; peersFile = "/run/secrets/peers"; };
  system.gradient-deploy = {
    enable = true; server = "https://farm.example.org"; apiKeyFile = "/run/secrets/key"; project = "acme/machines";
    substituters = [ "https://farm.example.org/cache/main" ]; trustedPublicKeys = [ "farm.example.org-main-1:AAAA" ];
  };
}`;

/** Everything set, so that every variable is there. */
const FULL = `{
  services.gradient-coordinator = {
    enable = true; domain = "farm.example.org"; jwtSecretFile = "/run/secrets/jwt"; cryptSecretFile = "/run/secrets/crypt";
    metricsTokenFile = "/run/secrets/metrics"; frontend.url = "https://ci.example.org"; settings.nixbuildPrefix = "/nixbuild";
    email = { enable = true; smtpHost = "mail"; smtpUsername = "g"; fromAddress = "g@example.org"; smtpPasswordFile = "/run/secrets/smtp"; };
    oidc = { enable = true; discoveryUrl = "https://id"; clientId = "g"; clientSecretFile = "/run/secrets/oidc"; };
    s3 = { enable = true; bucket = "nars"; prefix = "farm"; endpoint = "https://s3"; credentialsFile = "/run/secrets/s3"; };
    reverseProxy.caddy.enable = true;
    state = {
      users.alice = { email = "alice@example.org"; password_file = "/run/secrets/alice"; superuser = true; };
      organizations.acme = { members = [ { user = "alice"; } ]; private_key_file = "/run/secrets/ssh"; };
      roles.releaser = { organization = "acme"; permissions = [ "triggerEvaluation" ]; };
      integrations.git = { organization = "acme"; kind = "inbound"; forge_type = "gitea"; secret_file = "/run/secrets/hook"; created_by = "alice"; };
      projects.site = {
        organization = "acme"; repository = "https://example.org/site.git";
        triggers = [ { type = "polling"; config.branch = "main"; } { type = "reporter_push"; integration = "git"; } { type = "time"; config.cron = "0 0 3 * * *"; } ];
      };
      caches.main = {
        public = true; organizations = [ "acme" ]; members = [ { user = "alice"; } ]; signing_key_file = "/run/secrets/main";
        upstreams = [
          { type = "internal"; cache_name = "second"; }
          { type = "gradient"; display_name = "Other"; url = "https://farm.example.net"; remote_cache = "all"; api_key_file = "/run/secrets/other"; }
        ];
      };
      caches.second.created_by = "alice";
      workers.build1 = { worker_id = "6f9619ff-8b86-4011-b42d-00c04fc964ff"; organizations = [ "acme" ]; token_file = "/run/secrets/build1"; };
      api_keys.ci = { owned_by = "alice"; key_file = "/run/secrets/ci"; permissions = [ "viewOrg" ]; organization = "acme"; };
    };
  };
  services.gradient-worker = {
    enable = true; serverUrl = "wss://farm.example.org"; peersFile = "/run/secrets/peers"; user = "builder";
    workerId = "6f9619ff-8b86-4011-b42d-00c04fc964ff"; gitCredentialsFile = "/run/secrets/git";
    settings = {
      architectures = [ "x86_64-linux" "i686-linux" ]; systemFeatures = [ "kvm" ]; maxConcurrentBuilds = 4; evalForkWorkers = 2; maxEvalRss = 1000000000;
      store = "daemon"; localRepositories = [ "/srv/git" ]; metricsListen = "127.0.0.1:9100";
    };
  };
}`;

let plain: SystemView;
let full: SystemView;

beforeAll(async () => {
  plain = await evaluateSystem(PLAIN);
  full = await evaluateSystem(FULL);
});

function service(system: SystemView, name: string): ServiceView {
  const found = system.services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

/** A daemon's settings by their variables, with what `--help` says of the default. */
async function settingsOf(daemon: "coordinator" | "worker"): Promise<Map<string, string | null>> {
  const { command, argv } = commands[daemon];
  const verb = daemon === "coordinator" ? "serve" : "run";
  const { stdout } = await execa(command, [...argv, verb, "--help"], { env: { COLUMNS: "1000" } });
  const help = stdout.replaceAll(/\s+/g, " ");
  const settings = new Map<string, string | null>();
  for (const entry of help.split(/ (?=--[a-z])/)) {
    const fallback = /[(;] ?default: ([^)]*)\)/.exec(entry)?.[1] ?? null;
    for (const name of entry.match(/GRADIENT_\w+/g) ?? []) settings.set(name, fallback);
  }
  return settings;
}

describe("options", () => {
  test("each has a type, a description, an example, and a default unless it has to be given", () => {
    const required = [
      "services.gradient-coordinator.domain",
      ...["apiKeyFile", "project", "server", "substituters", "trustedPublicKeys"].map(
        (name) => `system.gradient-deploy.${name}`,
      ),
    ];
    expect(plain.options.length).toBeGreaterThan(100);
    for (const option of plain.options) {
      const { name, description, hasType, hasExample, hasDefault } = option;
      expect({ name, hasType, hasExample }).toEqual({ name, hasType: true, hasExample: true });
      expect(description, name).toMatch(/\S\.\s*$/);
      expect({ name, hasDefault }).toEqual({ name, hasDefault: !required.includes(name) });
    }
  });

  test.each([
    ["is not known", "settings.buildMetrics = true;", "does not exist"],
    ["has another type", 'settings.evalTimeout = "1h";', "is not of type"],
    [
      "names a secret in the Nix store",
      "peersFile = builtins.toFile ''peers'' ''x'';",
      "is not of type",
    ],
  ])("what %s is refused", async (_case, line, message) => {
    const worker = `enable = true; serverUrl = "wss://x"; ${line}`;
    await expect(evaluateSystem(`{ services.gradient-worker = { ${worker} }; }`)).rejects.toThrow(
      message,
    );
  });

  test("what is missing or does not go together is told", async () => {
    const { failures } = await evaluateSystem(`{
      services.gradient-worker = { enable = true; baseDir = "/srv/worker"; };
      services.gradient-coordinator = {
        enable = true; domain = "x"; s3.enable = true; reverseProxy = { nginx.enable = true; caddy.enable = true; };
      };
      system.gradient-deploy = {
        enable = true; server = "x"; apiKeyFile = "/x"; project = "a/b"; substituters = [ "x" ]; trustedPublicKeys = [ ];
      };
    }`);
    const told = failures.filter((each) => /gradient/.test(each)).map((each) => each.split(":")[0]);
    expect(new Set(told)).toEqual(
      new Set([
        "services.gradient-coordinator.reverseProxy",
        "services.gradient-coordinator.s3",
        "services.gradient-worker",
        "services.gradient-worker.baseDir",
        "system.gradient-deploy",
      ]),
    );
    expect(plain.failures.filter((each) => /gradient/.test(each))).toEqual([]);
  });
});

describe("settings", () => {
  /** Those that a module has no option for. */
  const WITHOUT_OPTION = new Set([
    "GRADIENT_ACCEL_REDIRECT",
    "GRADIENT_CONFIG_FILE",
    "GRADIENT_WORKER_CONFIG",
    "GRADIENT_WORKER_PEERS",
  ]);
  /** Those that the module says in a word of its own. */
  const OWN_WORD = /_(BASE_PATH|IP|PORT|DATA_DIR|SERVE_URL|SERVER_URL|\w+_FILE|ARCHITECTURES)$/;

  test.each(["coordinator", "worker"] as const)(
    "every one of the %s is an option, and no other",
    async (daemon) => {
      const known = await settingsOf(daemon);
      const { environment } = service(full, `gradient-${daemon}`);
      const given = Object.keys(environment).filter((name) => name.startsWith("GRADIENT_"));
      expect(given.filter((name) => !known.has(name))).toEqual([]);
      const missing = [...known.keys()].filter((name) => !given.includes(name));
      expect(missing.filter((name) => !WITHOUT_OPTION.has(name))).toEqual([]);
    },
  );

  test.each(["coordinator", "worker"] as const)(
    "the %s has the same defaults with the module as without",
    async (daemon) => {
      const known = await settingsOf(daemon);
      const { environment } = service(plain, `gradient-${daemon}`);
      for (const [name, value] of Object.entries(environment)) {
        if (!name.startsWith("GRADIENT_") || OWN_WORD.test(name)) continue;
        const fallback = (known.get(name) ?? "").replace(/^none$/, "");
        expect(`${name}=${value}`).toBe(`${name}=${fallback}`);
      }
    },
  );
});

describe("units", () => {
  test("the coordinator's is understood by systemd, and hardly exposed", async () => {
    for (const system of [plain, full]) {
      const text = unitText(service(system, "gradient-coordinator"));
      const { complaints, exposure } = await analyzeUnit("gradient-coordinator.service", text);
      expect(complaints).toEqual([]);
      expect(exposure).toBeLessThan(2);
    }
  });

  test("the worker's is understood by systemd", async () => {
    const text = unitText(service(plain, "gradient-worker"));
    const { complaints } = await analyzeUnit("gradient-worker.service", text);
    // systemd before 254 says that it passes this by.
    expect(complaints.filter((line) => !line.includes("DelegateSubgroup"))).toEqual([]);
  });

  test("that of deployments is understood by systemd, and survives its own switch", async () => {
    const deploy = service(plain, "gradient-deploy");
    const { complaints } = await analyzeUnit("gradient-deploy.service", unitText(deploy));
    expect(complaints).toEqual([]);
    expect(deploy.unitConfig).toEqual({ "X-StopOnRemoval": false });
    expect(plain.timers["gradient-deploy"]).toEqual({ Persistent: true, RandomizedDelaySec: "0" });
  });

  test("a worker of another user than root is trusted by the Nix daemon and uses it", async () => {
    const { trustedUsers, services } = await evaluateSystem(`{
      services.gradient-worker = { enable = true; serverUrl = "wss://x"; peersFile = "/run/peers"; user = "builder"; };
    }`);
    expect(trustedUsers).toContain("builder");
    expect(services["gradient-worker"]?.serviceConfig["User"]).toBe("builder");
    expect(services["gradient-worker"]?.environment["NIX_REMOTE"]).toBe("daemon");
    expect(service(plain, "gradient-worker").serviceConfig["User"]).toBeUndefined();
  });

  test("secrets are handed over as credentials, and are in no environment", () => {
    const { environment, serviceConfig } = service(full, "gradient-coordinator");
    expect(serviceConfig["LoadCredential"]).toEqual(
      expect.arrayContaining([
        "jwt-secret:/run/secrets/jwt",
        "s3:/run/secrets/s3",
        "state-users-alice-password_file:/run/secrets/alice",
        "state-caches-main-upstreams-1-api_key_file:/run/secrets/other",
      ]),
    );
    expect(environment["GRADIENT_JWT_SECRET_FILE"]).toBe("%d/jwt-secret");
    expect(environment["GRADIENT_OBJECT_STORE"]).toBe(
      "s3://nars/farm?endpoint=https://s3&region=us-east-1",
    );
    expect(JSON.stringify([environment, full.state])).not.toContain("/run/secrets");
  });
});

/** What the coordinator says of a state file, and its exit code. */
async function checkState(state: unknown): Promise<{ stderr: string; exitCode?: number }> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-state-"));
  try {
    const file = join(directory, "state.json");
    await writeFile(file, JSON.stringify(state));
    const { command, argv } = commands.coordinator;
    return await execa(command, [...argv, "state", "check", file], { reject: false });
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe("state", () => {
  test("what is declared is a file that the coordinator takes", async () => {
    expect(await checkState(full.state)).toMatchObject({ stderr: "", exitCode: 0 });
  });

  test("its secrets are where systemd puts the credentials of the unit", () => {
    expect(full.state["users"]).toMatchObject({
      alice: {
        password_file:
          "/run/credentials/gradient-coordinator.service/state-users-alice-password_file",
      },
    });
    expect(service(plain, "gradient-coordinator").environment).not.toHaveProperty(
      "GRADIENT_STATE_FILE",
    );
  });
});

test("the configurations of docs/install.md hold", async () => {
  const text = await readFile(join(root, "docs/install.md"), "utf8");
  const blocks = [...text.matchAll(/```nix\n(\{\n {2}(?:services|system)\..*?)```/gs)];
  expect(blocks).toHaveLength(3);
  for (const [, block = ""] of blocks) {
    const system = await evaluateSystem(block);
    expect(system.failures.filter((each) => /gradient/.test(each))).toEqual([]);
    expect(await checkState(system.state)).toMatchObject({ stderr: "", exitCode: 0 });
  }
});

test("a proxy is set up with what it passes on", () => {
  expect(full.caddy.hosts["farm.example.org"]).toContain("reverse_proxy 127.0.0.1:3000");
  expect(full.nginx.enable).toBe(false);
});

test.skipIf(nixpkgs === null)(
  "the stand-in for nixpkgs' lib comes to the same as the real one",
  async () => {
    expect(await evaluateSystem(PLAIN, null)).toEqual(plain);
    expect(await evaluateSystem(FULL, null)).toEqual(full);
  },
);
