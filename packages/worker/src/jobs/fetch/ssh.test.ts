import { existsSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { TestCheckout } from "../../testing/git-checkout.ts";
import { makeKey, SshGitServer, sshServerFault } from "../../testing/git-over-ssh.ts";
import { TestRepository } from "../../testing/git-server.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { SshAccess } from "./ssh.ts";

async function setUp() {
  const directory = await temporaryDirectory();
  const repository = new TestRepository(join(directory, "project"));
  await repository.init();
  const commit = await repository.commit({ file: "1" }, "First");
  const server = await SshGitServer.start(join(directory, "sshd"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const checkout = new TestCheckout(directory);
  const credentials = (knownHosts: string | null) => ({
    sshPrivateKey: server.key,
    knownHosts,
    acceptsNewHosts: true,
  });
  const url = server.url(repository.directory);
  return { directory, server, checkout, commit, credentials, url };
}

test.each([
  null,
  { sshPrivateKey: null, knownHosts: null },
  { sshPrivateKey: null, knownHosts: "", acceptsNewHosts: true },
])("a fetch that got no key shows none, not even the worker's own: %j", async (credentials) => {
  const directory = await temporaryDirectory();
  const access = await SshAccess.open({ credentials, directory, path: process.env["PATH"] ?? "" });
  const address = { transport: "ssh", host: "example.org", port: null } as const;
  const { GIT_SSH_COMMAND } = await access.environment(address);
  expect(GIT_SSH_COMMAND).toContain("'IdentityFile=none'");
  expect(GIT_SSH_COMMAND).toContain("'IdentityAgent=none'");
});

test.each([null, { sshPrivateKey: "key", knownHosts: null, acceptsNewHosts: true }])(
  "a worker without OpenSSH says so: %j",
  async (credentials) => {
    const directory = await temporaryDirectory();
    const bin = join(directory, "bin");
    await mkdir(bin);
    const git = ["/usr/local/bin/git", "/usr/bin/git"].find((file) => existsSync(file)) ?? "";
    for (const program of [git, "/bin/sh"]) await symlink(program, join(bin, basename(program)));
    const checkout = new TestCheckout(directory, { environment: { PATH: bin } });
    const change = credentials === null ? {} : { credentials };
    const error = await checkout.failure("ssh://git@127.0.0.1:1/project", change);
    expect(error).toMatchObject({ code: "no-ssh", isTransient: true });
    expect(error.message).toContain("install OpenSSH's client");
  },
);

const suite = sshServerFault === null ? describe : describe.skip;

suite(`over ssh${sshServerFault === null ? "" : ` (skipped: ${sshServerFault})`}`, () => {
  test("a host is believed the first time, its key is told, and is the only one from then on", async () => {
    const { server, checkout, commit, credentials, url } = await setUp();
    const first = await checkout.of(url, { credentials: credentials(null) });
    expect(first.commit.hash).toBe(commit);
    expect(checkout.hostKeys).toEqual([
      expect.stringMatching(`^\\[127\\.0\\.0\\.1\\]:${server.port} ssh-ed25519 [A-Za-z0-9+/=]+$`),
    ]);
    const known = checkout.hostKeys.splice(0).join("\n");
    await checkout.of(url, { credentials: credentials(known) });
    expect(checkout.hostKeys).toEqual([]);
  });

  test.each(["ed25519", "ecdsa"] as const)(
    "a changed host key is a final failure that names host and fingerprints (new one: %s)",
    async (type) => {
      const { server, checkout, credentials, url } = await setUp();
      await checkout.of(url, { credentials: credentials(null) });
      const known = checkout.hostKeys.splice(0).join("\n");
      const before = await server.fingerprint();
      await server.changeHostKey(type);
      const error = await checkout.failure(url, { credentials: credentials(known) });
      expect(error).toMatchObject({ code: "host-key-changed", isTransient: false });
      expect(error.message).toContain(`[127.0.0.1]:${server.port}`);
      expect(error.message).toContain(before);
      expect(error.message).toContain(await server.fingerprint());
      expect(error.message).toContain("remove the known one");
      expect(checkout.hostKeys).toEqual([]);
    },
  );

  test("a host that is not known is refused where new ones are not believed", async () => {
    const { checkout, credentials, url } = await setUp();
    const strict = { ...credentials(""), acceptsNewHosts: false };
    const error = await checkout.failure(url, { credentials: strict });
    expect(error).toMatchObject({ code: "host-key-unknown", isTransient: false });
  });

  test("a key that may not log in is told as such", async () => {
    const { directory, checkout, credentials, url } = await setUp();
    const sshPrivateKey = await makeKey(join(directory, "stranger"), "ed25519");
    const error = await checkout.failure(url, {
      credentials: { ...credentials(null), sshPrivateKey },
    });
    expect(error).toMatchObject({ code: "git-authentication", isTransient: false });
    expect(error.message).toMatch(
      /: Permission denied \(publickey[^)]*\) \(the organization's public key \(GET [^)]*\) has to be allowed to read the repository\)$/,
    );
  });

  test("a project that is not fetched over ssh has no key for its submodules, and is told so", async () => {
    const { checkout, url } = await setUp();
    const error = await checkout.failure(url);
    expect(error).toMatchObject({ isTransient: false });
    expect(error.message).toContain("projects whose own address is one of ssh");
  });

  test("a server that is away is worth another try", async () => {
    const { server, checkout, credentials, url } = await setUp();
    await server[Symbol.asyncDispose]();
    const error = await checkout.failure(url, { credentials: credentials(null) });
    expect(error).toMatchObject({ code: "unreachable", isTransient: true });
    expect(error.message).toMatch(/: Connection refused \(is the server up/);
  });

  test("a directory that is none, or holds no repository, is told as such", async () => {
    const { server, checkout, credentials } = await setUp();
    const known = { credentials: credentials(null) };
    for (const path of ["/nonexistent", "/usr"]) {
      const error = await checkout.failure(server.url(path), known);
      expect(error).toMatchObject({ isTransient: false });
      expect(["not-a-repository", "no-such-repository"]).toContain(error.code);
      expect(error.message).toContain(path);
      expect(error.message).toContain("is the address right?");
    }
  });
});
