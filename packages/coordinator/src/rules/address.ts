import { BlockList, isIP, isIPv4 } from "node:net";
import { z } from "zod";

/** An address or range in canonical CIDR notation: `10.0.0.0/8`, `::1/128`. A bare address is a range of one. */
export const addressRangeSchema = z.string().transform((text, context) => {
  const range = canonicalRange(text);
  if (range !== null) return range;
  context.addIssue({
    code: "custom",
    message: `"${text}" is no address or range, for instance 10.0.0.0/8 or ::1`,
  });
  return z.NEVER;
});

/** The text as `address/bits`, or null when it is neither an address nor a range. */
export function canonicalRange(text: string): string | null {
  const [address = "", bits, ...rest] = text.trim().split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return null;
  const width = version === 4 ? 32 : 128;
  if (bits === undefined) return `${address}/${width}`;
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > width) return null;
  return `${address}/${Number(bits)}`;
}

/** Whether the address lies in one of the ranges. An IPv4 address inside IPv6 (`::ffff:`) counts as IPv4. */
export function isInRanges(address: string, ranges: readonly string[]): boolean {
  const plain = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  if (isIP(plain) === 0) return false;
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits = "0"] = range.split("/");
    list.addSubnet(network, Number(bits), isIPv4(network) ? "ipv4" : "ipv6");
  }
  return list.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
}
