import { isIP } from "node:net";
import type { AddressRules } from "./address-rules.ts";
import { OutboundError } from "./outbound-error.ts";

/**
 * The address as a URL that may be asked, as far as its text tells; what its name resolves to is looked at when it is connected.
 * Throws OutboundError `address_refused`.
 */
export function checkOutboundUrl(address: string | URL, rules: AddressRules): URL {
  const shown = JSON.stringify(withoutSecrets(String(address)));
  const refuse = (fault: string): never => {
    throw new OutboundError("address_refused", `address ${shown} cannot be used: ${fault}`);
  };
  const url = URL.canParse(String(address)) ? new URL(String(address)) : refuse("it is no URL");
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    refuse("only https:// and http:// are asked");
  }
  if (url.username !== "" || url.password !== "") {
    refuse("user and password do not belong into an address, which is shown and logged");
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !rules.isAllowed(host)) refuse(notPublic(host));
  return url;
}

/** Why an address is not asked, and how an administrator changes it. */
export function notPublic(address: string): string {
  return `${address} is not in the public network; an administrator can list it in GRADIENT_ALLOW_PRIVATE_ADDRESSES`;
}

/** Without query, fragment and password, which may be secret. */
export function withoutSecrets(address: string): string {
  return address.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//***@");
}
