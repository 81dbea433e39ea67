import { ProtocolError } from "../errors.ts";

/** An address that is no Git repository that may be fetched. It stays one: trying again does not help. */
export class RepositoryError extends ProtocolError {
  override name = "RepositoryError";

  constructor(repository: string, fault: string) {
    const shown = JSON.stringify(withoutPassword(repository));
    super(
      "bad-repository",
      `repository ${shown} cannot be fetched: ${fault}; use https://, http://, ssh://, git:// or user@host:path`,
    );
  }
}

/** Where a Git repository lies, as Git itself will read the address. */
export type RepositoryAddress =
  | {
      readonly transport: "https" | "http" | "git" | "ssh";
      /** In lower case, an IPv6 address in its brackets. */
      readonly host: string;
      /** null: the transport's own. */
      readonly port: number | null;
    }
  | {
      /** A directory of the machine that fetches. Its operator decides whether it may be read. */
      readonly transport: "file";
      readonly path: string;
    };

const TRANSPORTS: Readonly<Record<string, "https" | "http" | "git" | "ssh">> = {
  "https:": "https",
  "http:": "http",
  "git:": "git",
  "ssh:": "ssh",
  "git+ssh:": "ssh",
  "ssh+git:": "ssh",
};
/** No percent signs (Git decodes them) and no leading dash (ssh reads that as an option). */
const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
const SCP_ADDRESS = /^(?:([^@/:]*)@)?(\[[^\]/]*\]|[^:/[\]]*):(.*)$/;

/**
 * Reads the address of a Git repository. Only Git's own network protocols and `file:///path` pass: `ext::` runs commands, a leading dash
 * is an option to git or ssh, a plain path depends on where one stands. Throws RepositoryError.
 */
export function parseRepository(repository: string): RepositoryAddress {
  const refuse = (fault: string): never => {
    throw new RepositoryError(repository, fault);
  };
  if (repository.startsWith("-")) refuse("it looks like an option");
  if (/[\s\p{Cc}]/u.test(repository)) refuse("it contains white space or control characters");
  if (/^[A-Za-z0-9+.-]*::/.test(repository)) refuse("remote helpers are not allowed");
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*:)\/\//.exec(repository)?.[1]?.toLowerCase();
  if (scheme === "file:") return localAddress(repository, refuse);
  if (scheme !== undefined) return urlAddress(repository, scheme, refuse);
  if (/^file:/i.test(repository) || /^[./~]/.test(repository) || repository === "") {
    refuse("a path is no address; files of a worker are named as file:///path");
  }
  return scpAddress(repository, refuse);
}

type Refuse = (fault: string) => never;

function localAddress(repository: string, refuse: Refuse): RepositoryAddress {
  const path = repository.slice("file://".length);
  if (!path.startsWith("/")) refuse("a file: address has to be file:///path");
  // Git decodes none of it, but would show it so.
  if (/[%?#]/.test(path)) refuse("a file: address has no encoded characters, query or fragment");
  if (path.split("/").includes("..")) refuse("a file: address has no '..'");
  return { transport: "file", path };
}

function urlAddress(repository: string, scheme: string, refuse: Refuse): RepositoryAddress {
  const transport = TRANSPORTS[scheme] ?? refuse(`${scheme} is not supported`);
  if (!URL.canParse(repository)) refuse("it is no URL");
  const [, authority = ""] = /^[^:]*:\/\/([^/?#\\]*)/.exec(repository) ?? [];
  const at = authority.lastIndexOf("@");
  if (at >= 0) checkUser(authority.slice(0, at), refuse);
  const [, host = "", port] = /^(.*?)(?::(\d{1,5}))?$/.exec(authority.slice(at + 1)) ?? [];
  if (!HOST.test(host)) refuse("its host is no host");
  return { transport, host: host.toLowerCase(), port: port === undefined ? null : Number(port) };
}

function checkUser(user: string, refuse: Refuse): void {
  if (user.includes(":")) {
    refuse("a password does not belong into an address, which is shown and logged");
  }
  if (!USER.test(user)) refuse("its user is no user name");
}

function scpAddress(repository: string, refuse: Refuse): RepositoryAddress {
  const match = SCP_ADDRESS.exec(repository);
  if (match === null) return refuse("it is neither a URL nor user@host:path");
  const [, user, host = "", path = ""] = match;
  if (user !== undefined && !USER.test(user)) refuse("its user is no user name");
  if (!HOST.test(host)) refuse("its host is no host");
  if (path === "" || path.startsWith("-") || path.startsWith("//")) refuse("its path is no path");
  return { transport: "ssh", host: host.toLowerCase(), port: null };
}

/** Whether Git reaches the repository through ssh, and so with a key. False for what is no address. */
export function usesSsh(repository: string): boolean {
  try {
    return parseRepository(repository).transport === "ssh";
  } catch (error) {
    if (error instanceof RepositoryError) return false;
    throw error;
  }
}

/**
 * The address of a submodule as its parent's `.gitmodules` has it. `./` and `../` start at the parent's address, as Git resolves them.
 * Throws RepositoryError for a relative address that leads above its parent's host.
 */
export function resolveSubmodule(parent: string, address: string): string {
  if (!/^\.\.?\//.test(address)) return address;
  let base = parent.replace(/\/+$/, "");
  let rest = address;
  let separator = "/";
  for (;;) {
    if (rest.startsWith("./")) {
      rest = rest.slice(2);
    } else if (rest.startsWith("../")) {
      rest = rest.slice(3);
      const cut = Math.max(base.lastIndexOf("/"), base.lastIndexOf(":"));
      if (cut <= 0 || base.slice(0, cut + 1).endsWith("://")) {
        throw new RepositoryError(address, `it leads above ${withoutPassword(parent)}`);
      }
      separator = base[cut] ?? "/";
      base = base.slice(0, cut);
    } else {
      return `${base}${separator}${rest}`.replace(/\/+$/, "");
    }
  }
}

/** The text with passwords in URLs left out, for messages. */
export function withoutPassword(text: string): string {
  return text.replaceAll(/(:\/\/[^/\s:@]*):[^/\s@]*@/g, "$1:***@");
}
