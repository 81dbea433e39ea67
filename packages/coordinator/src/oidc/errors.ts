/** Signing in with the provider failed. The text is for the log: users are told no details. */
export class OidcError extends Error {
  override name = "OidcError";
}
