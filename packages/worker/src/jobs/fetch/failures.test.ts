import { readFile, mkdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../../../../scripts/lib/certificate.mjs";
import { ProcessError } from "../../process/process-error.ts";
import { TestCheckout } from "../../testing/git-checkout.ts";
import { HttpGitServer } from "../../testing/git-over-http.ts";
import { freePort, TestRepository } from "../../testing/git-server.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { fetchError, treeError } from "./git-errors.ts";

/** Port of a server that keeps git waiting for as long as it takes. */
async function silentPort(): Promise<number> {
  const silent = createServer(() => undefined);
  onTestFinished(() => void silent.close());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  return (silent.address() as AddressInfo).port;
}

async function setUp() {
  const directory = await temporaryDirectory();
  const repository = new TestRepository(join(directory, "served", "project"));
  await repository.init();
  const commit = await repository.commit({ file: "1" }, "First");
  const server = await HttpGitServer.start(join(directory, "served"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const credentialsFile = join(directory, "passwords");
  const rules = { credentialsFile, localDirectories: [join(directory, "served")] };
  const checkout = new TestCheckout(directory, { rules });
  await writeFile(credentialsFile, "", { mode: 0o600 });
  const url = `${server.url}/project/.git`;
  return { directory, repository, commit, server, credentialsFile, checkout, url };
}

describe("over http", () => {
  test("a repository is fetched with the password of the worker's file, which stays as it is", async () => {
    const { server, credentialsFile, checkout, url, commit } = await setUp();
    server.login = "ada:s3cret";
    const text = `${server.url.replace("://", "://ada:s3cret@")}\n`;
    await writeFile(credentialsFile, text);
    expect((await checkout.of(url)).commit.hash).toBe(commit);
    server.login = "ada:changed";
    const error = await checkout.failure(url);
    expect(error).toMatchObject({ code: "git-authentication", isTransient: false });
    expect(error.message).toContain("--git-credentials");
    expect(error.message).not.toContain("ssh");
    expect(error.message).not.toContain("s3cret");
    expect(await readFile(credentialsFile, "utf8")).toBe(text);
  });

  test.each([
    ["without a password", 401, "git-authentication", false],
    ["that is forbidden", 403, "git-authentication", false],
    ["that is not there", 404, "no-such-repository", false],
    ["whose server is in trouble", 503, "unreachable", true],
  ])("a repository %s is told as such", async (_what, status, code, isTransient) => {
    const { server, checkout, url } = await setUp();
    server.status = status;
    expect(await checkout.failure(url)).toMatchObject({ code, isTransient });
  });

  test("a host that does not exist, or where nothing listens, is worth another try", async () => {
    const { checkout } = await setUp();
    const lost = await checkout.failure("https://nowhere.invalid/project");
    expect(lost).toMatchObject({ code: "unknown-host", isTransient: true });
    const deaf = await checkout.failure(`http://127.0.0.1:${await freePort()}/project`);
    expect(deaf).toMatchObject({ code: "unreachable", isTransient: true });
    expect(deaf.message).toContain("is the server up");
  });

  test("a credentials file that cannot be read is told without its contents", async () => {
    const { directory, server } = await setUp();
    const rules = { credentialsFile: join(directory, "absent") };
    const checkout = new TestCheckout(join(directory, "other"), { rules });
    await mkdir(join(directory, "other"));
    const error = await checkout.failure(`${server.url}/project/.git`);
    expect(error.code).toBe("credentials-unreadable");
    expect(error.message).toContain("ENOENT");
  });

  test("a certificate that is not trusted is told as such, and is where SSL_CERT_FILE names it", async () => {
    const { directory, commit } = await setUp();
    const certificate = await makeCertificate(directory);
    const server = await HttpGitServer.start(join(directory, "served"), certificate);
    onTestFinished(() => server[Symbol.asyncDispose]());
    const url = `${server.url}/project/.git`;
    const environment = { PATH: process.env["PATH"] };
    const [distrustful, trustful] = [join(directory, "a"), join(directory, "b")];
    await Promise.all([mkdir(distrustful), mkdir(trustful)]);
    const error = await new TestCheckout(distrustful, { environment }).failure(url);
    expect(error).toMatchObject({ code: "tls", isTransient: false });
    expect(error.message).toContain("SSL_CERT_FILE");
    const trusting = { ...environment, SSL_CERT_FILE: certificate.file };
    const checkout = new TestCheckout(trustful, { environment: trusting });
    expect((await checkout.of(url)).commit.hash).toBe(commit);
  });

  test("a branch and a commit that are gone are told apart", async () => {
    const { checkout, url } = await setUp();
    const branch = await checkout.failure(url, { reference: "absent" });
    expect(branch).toMatchObject({ code: "no-such-reference", isTransient: false });
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const gone = await checkout.failure(url, { commit });
    expect(gone).toMatchObject({ code: "no-such-commit", isTransient: false });
  });

  test("a repository that is too big is given up while it comes", async () => {
    const limits = { allBytes: 1e9, oneBytes: 10 };
    const checkout = new TestCheckout(await temporaryDirectory(), { limits });
    const error = await checkout.failure(`http://127.0.0.1:${await silentPort()}/project`);
    expect(error).toMatchObject({ code: "too-big", isTransient: false });
  });
});

test("a server of git's own protocol that accepts and says nothing is given up", async () => {
  const checkout = new TestCheckout(await temporaryDirectory(), { stallMs: 100 });
  const error = await checkout.failure(`git://127.0.0.1:${await silentPort()}/project`);
  expect(error).toMatchObject({ code: "timeout", isTransient: true });
  expect(error.message).toContain("nothing came from its server");
});

describe("files of this machine", () => {
  test("are fetched only below the directories that the operator has allowed", async () => {
    const { directory, repository, checkout, commit } = await setUp();
    expect((await checkout.of(`file://${repository.directory}`)).commit.hash).toBe(commit);
    const outside = new TestRepository(join(directory, "served-not", "project"));
    await outside.init();
    await outside.commit({ file: "1" }, "First");
    const error = await checkout.failure(`file://${outside.directory}`);
    expect(error).toMatchObject({ code: "repository-not-allowed", isTransient: false });
  });
});

test.each([
  ["error: write error: No space left on device\nfatal: index-pack failed", "disk-full", true],
  ["fatal: unable to access 'x': Operation too slow.", "timeout", true],
  ["fatal: unable to access 'x': SSL certificate problem: self-signed", "tls", false],
  ["ssh: Could not resolve hostname h: Name or service not known", "unknown-host", true],
  ["remote: Repository not found.\nfatal: repository 'x' not found", "no-such-repository", false],
  ["fatal: detected dubious ownership in repository at '/x'", "repository-ownership", false],
  ["fatal: h/x/info/refs not valid: is this a git repository?", "not-a-repository", false],
  ["fatal: the remote end hung up unexpectedly", "unreachable", true],
])("%j is %s", (stderr, code, isTransient) => {
  const failed = new ProcessError("process_failed", "git ended", { command: "git", stderr });
  expect(fetchError("https://user:secret@h/x", failed)).toMatchObject({ code, isTransient });
  expect(fetchError("https://user:secret@h/x", failed).message).not.toContain("secret");
});

test("a git that somebody has killed is told as such", () => {
  const failed = new ProcessError("process_failed", "git", { command: "git", signal: "SIGKILL" });
  expect(fetchError("git://h/x", failed)).toMatchObject({
    message: "cannot fetch git://h/x: git ended with signal SIGKILL",
    isTransient: true,
  });
});

test("a tree that the disk does not hold is worth another try", () => {
  const stderr = "error: unable to write file seed/busybox\n";
  const failed = new ProcessError("process_failed", "git ended", { command: "git", stderr });
  expect(treeError(failed)).toMatchObject({ code: "disk-full", isTransient: true });
  const other = new ProcessError("process_failed", "git ended", { command: "git", stderr: "no" });
  expect(treeError(other)).toBe(other);
});
