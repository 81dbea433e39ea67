import { BlockList, isIP, isIPv4 } from "node:net";

/** IPv4 ranges that are not the public network: IANA's special-purpose registry (RFC 6890 and later), multicast and what is reserved. */
const CLOSED_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];
/** Of IPv6 only global unicast is public, without what tunnels IPv4 (Teredo, 6to4), documentation and protocol assignments. */
const OPEN_IPV6 = ["2000::/3"];
const CLOSED_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/** Which addresses the coordinator may connect to for its users: the public network, and what an administrator listed. */
export class AddressRules {
  readonly #listed: BlockList;
  readonly #closed = blockList([...CLOSED_IPV4, ...CLOSED_IPV6]);
  readonly #open = blockList(OPEN_IPV6);

  /** Takes ranges in canonical CIDR notation. */
  constructor(listedRanges: readonly string[]) {
    this.#listed = blockList(listedRanges);
  }

  /** Whether a connection may go to the address. False for what is no address. */
  isAllowed(address: string): boolean {
    const [bare = ""] = address.split("%");
    const version = isIP(bare);
    if (version === 0) return false;
    const family = version === 4 ? "ipv4" : "ipv6";
    if (this.#listed.check(bare, family)) return true;
    if (this.#closed.check(bare, family)) return false;
    return version === 4 || this.#open.check(bare, family);
  }
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits = "0"] = range.split("/");
    list.addSubnet(network, Number(bits), isIPv4(network) ? "ipv4" : "ipv6");
  }
  return list;
}
