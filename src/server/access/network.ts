// The network that a client's address belongs to: what shares a rate limit and the model if no API keys are set.
import { isIPv6 } from "node:net";

/** The address itself, or the /64 of an IPv6 one, which a client usually has to itself. */
export function networkOf(ip: string): string {
  if (!isIPv6(ip) || ip.startsWith("::ffff:")) return ip;
  const [head = "", tail = ""] = ip.split("%", 1)[0]!.split("::"); // split gives at least one part
  const front = head.split(":");
  const back = tail === "" ? [] : tail.split(":");
  const groups = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0"), ...back];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
