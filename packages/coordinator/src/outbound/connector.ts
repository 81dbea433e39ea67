import { lookup as lookUpName, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { buildConnector } from "undici";
import type { AddressRules } from "./address-rules.ts";
import { notPublic } from "./check-url.ts";
import { OutboundError } from "./outbound-error.ts";

/** All addresses of a name. The system's resolver, unless a test plays one. */
export type Resolve = (
  name: string,
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

const systemResolve: Resolve = (name, callback) => {
  lookUpName(name, { all: true }, callback);
};

export interface GuardOptions {
  readonly rules: AddressRules;
  readonly resolve?: Resolve | undefined;
  readonly timeoutMs: number;
}

/**
 * Connects to addresses that the rules allow and to no others: the name is resolved here, once, and the socket goes to exactly the
 * addresses that were looked at. A name that resolves otherwise a moment later changes nothing.
 */
export function guardedConnector(options: GuardOptions): buildConnector.connector {
  const { rules, resolve = systemResolve, timeoutMs } = options;
  const connect = buildConnector({
    timeout: timeoutMs,
    lookup: guardedLookup(rules, resolve),
    autoSelectFamily: true,
  });
  return (target, callback) => {
    // A literal address is connected without a look-up.
    if (isIP(target.hostname) !== 0 && !rules.isAllowed(target.hostname)) {
      callback(new OutboundError("address_refused", notPublic(target.hostname)), null);
      return;
    }
    connect(target, callback);
  };
}

function guardedLookup(rules: AddressRules, resolve: Resolve): LookupFunction {
  return (name, { all }, callback) => {
    resolve(name, (error, addresses) => {
      const allowed = addresses?.filter(({ address }) => rules.isAllowed(address)) ?? [];
      const [first] = allowed;
      if (error !== null) callback(error, []);
      else if (first === undefined) callback(refusal(name, addresses), []);
      else if (all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

function refusal(name: string, addresses: readonly LookupAddress[]): OutboundError {
  const [first] = addresses;
  const fault = first === undefined ? "it has no address" : notPublic(first.address);
  return new OutboundError("address_refused", `${name} cannot be asked: ${fault}`);
}
