// Places and bytes that many clients share: who gets some, who is refused, who gives way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressMatcher, networkOf } from "../../src/server/access/client-network.ts";
import { connectionRoom, descriptorLimit } from "../../src/server/access/connection-room.ts";
import { ByteBudget } from "../../src/server/transport/byte-budget.ts";
import { Places } from "../../src/server/transport/places.ts";
import { ManualClock } from "../support/manual-clock.ts";

function placesOf(total: number, perClient: number, minIdleMs = 100) {
  const clock = new ManualClock();
  const gaveUp: { name: string }[] = [];
  const places = new Places<{ name: string }>({
    clock,
    total,
    perClient,
    minIdleMs,
    onGiveUp: (holder) => gaveUp.push(holder),
  });
  const take = (name: string, client: string | null = name) => {
    const holder = { name };
    return { holder, shortage: places.take(holder, client) };
  };
  return { clock, places, take, lost: () => gaveUp.map(({ name }) => name) };
}

test("whoever has been idle the longest, and long enough, gives its place up", () => {
  const { clock, places, take, lost } = placesOf(3, 3);
  const [a, b] = [take("a"), take("b"), take("c")];
  assert.equal(take("early").shortage, "total");
  clock.advance(50);
  places.busy(a.holder);
  places.idle(a.holder);
  places.busy(b.holder);
  clock.advance(50);
  assert.equal(take("d").shortage, null);
  assert.deepEqual(lost(), ["c"]);
  assert.equal(take("e").shortage, "total", "a has been used since, b is busy, d is new");
  clock.advance(50);
  assert.equal(take("e").shortage, null);
  assert.deepEqual(lost(), ["c", "a"]);
  clock.advance(1000);
  places.leave(b.holder);
  places.leave(b.holder);
  assert.equal(places.size, 2);
  assert.equal(take("f").shortage, null);
  assert.deepEqual(lost(), ["c", "a"], "there was room");
});

test("a client that has its share takes places from itself alone, and whoever has no client is bounded by the total", () => {
  const { clock, places, take, lost } = placesOf(5, 2);
  const [first] = [take("first", "x"), take("second", "x"), take("other", "y")];
  assert.equal(take("third", "x").shortage, "client");
  places.busy(first.holder);
  clock.advance(100);
  assert.equal(take("third", "x").shortage, null);
  assert.deepEqual(lost(), ["second"]);
  for (const name of ["proxied 1", "proxied 2"]) assert.equal(take(name, null).shortage, null);
  assert.equal(take("proxied 3", null).shortage, null);
  assert.deepEqual(lost(), ["second", "other"], "the longest idle of all");
});

test("a thousand clients that come and go leave nothing behind", () => {
  const { places, take } = placesOf(10, 2);
  for (let i = 0; i < 1000; i++) places.leave(take(`client ${i}`).holder);
  assert.equal(places.size, 0);
  for (let i = 0; i < 10; i++) assert.equal(take(`client ${i}`).shortage, null);
});

test("bytes are held by client and in total, and come back", () => {
  const clock = new ManualClock();
  const budget = new ByteBudget({ clock, totalBytes: 100, perClientBytes: 60 });
  const nobody = () => assert.fail("nobody has to give way");
  const a = budget.open("a", nobody);
  const b = budget.open("b", nobody);
  assert.equal(a.hold(40), null);
  assert.equal(a.hold(61), "client");
  assert.equal(budget.heldBytes, 40);
  assert.equal(budget.open("a", nobody).hold(21), "client");
  assert.equal(b.hold(60), null);
  assert.equal(a.hold(41), "total");
  assert.equal(a.hold(10), null, "less is always taken");
  assert.equal(budget.heldBytes, 70);
  a.release();
  a.release();
  b.release();
  assert.equal(budget.heldBytes, 0);
  assert.equal(a.hold(50), null, "what is over holds nothing");
  assert.equal(budget.heldBytes, 0);
});

test("whoever has been sending the longest gives way, but not in the first five seconds, and not once all is there", () => {
  const clock = new ManualClock();
  const budget = new ByteBudget({ clock, totalBytes: 100, perClientBytes: 100 });
  const gaveWay: string[] = [];
  const open = (name: string) => budget.open(name, () => gaveWay.push(name));
  const whole = open("whole");
  whole.hold(40);
  whole.settle();
  open("slow").hold(30);
  clock.advance(1000);
  open("later").hold(30);
  clock.advance(3999);
  const late = open("late");
  assert.equal(late.hold(30), "total");
  clock.advance(1);
  assert.equal(late.hold(30), null);
  assert.deepEqual(gaveWay, ["slow"]);
  clock.advance(1000);
  assert.equal(late.hold(70), "total", "only later can give way");
  assert.equal(budget.heldBytes, 70);
  assert.deepEqual(gaveWay, ["slow", "later"]);
});

test("a client is an IPv4 address or an IPv6 /64, however it is written", () => {
  const same: [string, string][] = [
    ["192.0.2.7", "::ffff:192.0.2.7"],
    ["::FFFF:192.0.2.7", "192.0.2.7"],
    ["2001:db8::1", "2001:db8:0:0:ffff::2"],
    ["2001:0DB8::1", "2001:db8::"],
    ["fe80::1%eth0", "fe80::2"],
    ["::1", "::1"],
  ];
  for (const [a, b] of same) assert.equal(networkOf(a), networkOf(b), `${a} ${b}`);
  const apart: [string, string][] = [
    ["192.0.2.7", "192.0.2.8"],
    ["2001:db8:0:1::1", "2001:db8:0:2::1"],
    ["127.0.0.1", "::1"],
  ];
  for (const [a, b] of apart) assert.notEqual(networkOf(a), networkOf(b), `${a} ${b}`);
});

test("a proxy is known by its address or network, in both families", () => {
  const isProxy = addressMatcher(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"]);
  for (const ip of ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "2001:db8:1::5", "::1"])
    assert.ok(isProxy(ip), ip);
  for (const ip of ["11.0.0.1", "192.0.2.2", "2001:db9::1", "::2", "127.0.0.1"]) assert.ok(!isProxy(ip), ip);
  assert.ok(!addressMatcher([])("127.0.0.1"));
});

test("there are no more connections than file descriptors, some of them for the probes", () => {
  assert.deepEqual(connectionRoom(4096, null), { connections: 4096, probes: 512 });
  assert.deepEqual(connectionRoom(4096, 1_048_576), { connections: 4096, probes: 512 });
  assert.deepEqual(connectionRoom(10, 1_048_576), { connections: 10, probes: 64 });
  assert.deepEqual(connectionRoom(100_000, 1_048_576), { connections: 100_000, probes: 512 });
  for (const descriptors of [64, 128, 256, 1024, 4096]) {
    const { connections, probes } = connectionRoom(4096, descriptors);
    assert.ok(connections >= 1 && probes >= 1, String(descriptors));
    if (descriptors > 128) assert.ok(connections + probes <= descriptors - 96, String(descriptors));
  }
  assert.ok(descriptorLimit() === null || descriptorLimit()! > 16);
});
