import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  ClientSecretPost,
  type Configuration,
} from "openid-client";
import { messageOf } from "../error-facts.ts";
import { boundedFetch } from "./bounded-fetch.ts";
import { OidcError } from "./errors.ts";
import { identityOf, type Identity } from "./identity.ts";

export interface OidcOptions {
  /** The issuer's URL, or that of its discovery document. */
  discoveryUrl: string;
  clientId: string;
  clientSecret: string;
  scopes: string;
  redirectUri: string;
  /** Whether it matters in which groups somebody is. */
  wantsGroups: boolean;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** What has to be remembered between the way to the provider and the way back. */
export interface Attempt {
  state: string;
  nonce: string;
  pkceVerifier: string;
}

const TIMEOUT_SECONDS = 10;
/** So long a discovery document is believed. */
const DISCOVERY_MS = 3_600_000;
const WELL_KNOWN = "/.well-known/openid-configuration";

/** An OpenID Connect provider, asked by the authorization code flow with PKCE (RFC 7636), state and nonce. */
export class OidcProvider {
  readonly #options: OidcOptions;
  #discovered: { configuration: Configuration; at: number } | null = null;

  constructor(options: OidcOptions) {
    this.#options = options;
  }

  /** Where to send the browser, and what to remember meanwhile. Throws OidcError. */
  async begin(): Promise<{ url: string; attempt: Attempt }> {
    const configuration = await this.#discover();
    const attempt = {
      state: randomState(),
      nonce: randomNonce(),
      pkceVerifier: randomPKCECodeVerifier(),
    };
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: this.#options.redirectUri,
      scope: this.#options.scopes,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await calculatePKCECodeChallenge(attempt.pkceVerifier),
      code_challenge_method: "S256",
    });
    return { url: url.href, attempt };
  }

  /** Who came back, by the query that the browser was sent back with. Throws OidcError. */
  async finish(query: URLSearchParams, attempt: Attempt): Promise<Identity> {
    const configuration = await this.#discover();
    const current = new URL(this.#options.redirectUri);
    current.search = query.toString();
    try {
      const tokens = await authorizationCodeGrant(configuration, current, {
        expectedState: attempt.state,
        expectedNonce: attempt.nonce,
        pkceCodeVerifier: attempt.pkceVerifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (claims === undefined) throw new OidcError("the provider sent no id token");
      // Many providers put into the id token only what they must.
      const isWhole =
        typeof claims["email"] === "string" &&
        (!this.#options.wantsGroups || claims["groups"] !== undefined);
      const isAskable = configuration.serverMetadata().userinfo_endpoint !== undefined;
      const more =
        isWhole || !isAskable
          ? {}
          : await fetchUserInfo(configuration, tokens.access_token, claims.sub);
      return identityOf({ ...more, ...claims });
    } catch (cause) {
      if (cause instanceof OidcError) throw cause;
      throw new OidcError(`the provider's answer was not accepted: ${messageOf(cause)}`, { cause });
    }
  }

  async #discover(): Promise<Configuration> {
    const { discoveryUrl, clientId, clientSecret, now } = this.#options;
    if (this.#discovered !== null && now() - this.#discovered.at < DISCOVERY_MS) {
      return this.#discovered.configuration;
    }
    // Named by its document, the issuer would not be compared with what the document says.
    const issuer = new URL(discoveryUrl.replace(WELL_KNOWN, ""));
    try {
      const configuration = await discovery(
        issuer,
        clientId,
        undefined,
        ClientSecretPost(clientSecret),
        {
          timeout: TIMEOUT_SECONDS,
          [customFetch]: boundedFetch,
          execute: [
            enableNonRepudiationChecks,
            ...(issuer.protocol === "http:" ? [allowInsecureRequests] : []),
          ],
        },
      );
      this.#discovered = { configuration, at: now() };
      return configuration;
    } catch (cause) {
      throw new OidcError(`the provider cannot be asked: ${messageOf(cause)}`, { cause });
    }
  }
}
