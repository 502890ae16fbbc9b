// Which client an address stands for where things are counted by client, and which peers are proxies that carry many.
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** An IPv4 address itself; of an IPv6 address its /64, which a client usually has to itself. */
export function networkOf(ip: string): string {
  const plain = withoutMapping(ip);
  if (!isIPv6(plain)) return plain;
  const [head = "", tail = ""] = plain.split("%", 1)[0]!.split("::"); // split gives at least one part
  const front = head.split(":");
  const back = tail === "" ? [] : tail.split(":");
  const groups = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0"), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group || "0", 16).toString(16))
    .join(":")}::/64`;
}

/** Says whether an address is in one of `networks`, which are addresses or networks such as 10.0.0.0/8. */
export function addressMatcher(networks: readonly string[]): (ip: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (ip) => {
    const plain = withoutMapping(ip);
    return list.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
  };
}

/** A socket for both families shows IPv4 addresses as ::ffff:192.0.2.1. */
function withoutMapping(ip: string): string {
  const mapped = ip.toLowerCase().startsWith("::ffff:") ? ip.slice(7) : "";
  return isIPv4(mapped) ? mapped : ip;
}
