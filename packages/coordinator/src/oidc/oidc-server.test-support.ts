import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OAuth2Server } from "oauth2-mock-server";

export type Claims = Record<string, unknown>;

/** To make one takes longer than most tests. */
let signingKey: Promise<Record<string, unknown>> | undefined;

/** A real OpenID Connect provider on the loopback, at which one user is signed in. */
export class TestOidcServer implements AsyncDisposable {
  /** What it says of the user who signs in next. */
  claims: Claims = {
    sub: "subject-1",
    email: "Olga@Example.com",
    email_verified: true,
    name: "Olga O.",
    preferred_username: "olga",
  };
  /** What it says at the userinfo endpoint. */
  userInfo: Claims = { sub: "subject-1" };
  /** Forms that its token endpoint was sent. */
  readonly tokenRequests: unknown[] = [];
  readonly server = new OAuth2Server();
  readonly #directory = mkdtempSync(join(tmpdir(), "oidc-"));

  async listen(): Promise<this> {
    const { keys } = this.server.issuer;
    signingKey ??= keys.generate("RS256").then((key) => ({ ...key }));
    await keys.add(await signingKey);
    await this.server.start(0, "127.0.0.1");
    this.server.service.on("beforeTokenSigning", (token, request) => {
      Object.assign(token.payload, this.claims);
      this.tokenRequests.push(request.body);
    });
    this.server.service.on("beforeUserinfo", (response) => {
      response.body = this.userInfo;
    });
    return this;
  }

  /** Settings of a coordinator that signs users in here. */
  env(): Record<string, string> {
    const secretFile = join(this.#directory, "secret");
    writeFileSync(secretFile, "client-secret\n");
    return {
      GRADIENT_OIDC_ENABLED: "true",
      GRADIENT_OIDC_DISCOVERY_URL: this.server.issuer.url ?? "",
      GRADIENT_OIDC_CLIENT_ID: "gradient",
      GRADIENT_OIDC_CLIENT_SECRET_FILE: secretFile,
      GRADIENT_SERVE_URL: "http://farm.example",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#directory, { recursive: true, force: true });
    if (this.server.listening) await this.server.stop();
  }
}
