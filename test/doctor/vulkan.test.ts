import assert from "node:assert/strict";
import { test } from "node:test";
import type { Check } from "../../src/doctor/check.ts";
import { vulkanChecks } from "../../src/doctor/vulkan.ts";
import { ARCH, DEBIAN, gpu, madeUpHost, ROCKY, TUMBLEWEED, UBUNTU } from "./support/made-up-host.ts";

const LOADER = { "/usr/lib/x86_64-linux-gnu/libvulkan.so.1": "" };
const RADEON = {
  "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json": '{"ICD": {"library_path": "libvulkan_radeon.so"}}',
};
const byName = (checks: readonly Check[]) => Object.fromEntries(checks.map((check) => [check.name, check]));

test("a missing Vulkan loader is named with each distribution's command", (t) => {
  for (const [release, command] of [
    [DEBIAN, "as root: apt-get install libvulkan1"],
    [UBUNTU, "as root: apt-get install libvulkan1"],
    [ROCKY, "as root: dnf install vulkan-loader"],
    [TUMBLEWEED, "as root: zypper install libvulkan1"],
    [ARCH, "as root: pacman -S vulkan-icd-loader"],
    ["ID=nixos", "install what brings libvulkan.so.1, the Vulkan loader"],
  ] as const) {
    const { "Vulkan loader": loader } = byName(vulkanChecks(madeUpHost(t, { "/etc/os-release": release })));
    assert.equal(loader?.status, "missing");
    assert.equal(loader?.remedy, command);
  }
});

test("the loader is found where the linker looks: its folders, its configuration, LD_LIBRARY_PATH", (t) => {
  const places = ["/usr/lib64", "/opt/lib", "/mine"];
  for (const place of places) {
    const files = {
      [`${place}/libvulkan.so.1`]: "",
      "/etc/ld.so.conf.d/opt.conf": "# ours\n/opt/lib",
    };
    const host = madeUpHost(t, files, { environment: { LD_LIBRARY_PATH: "/nowhere:/mine" } });
    const { "Vulkan loader": loader } = byName(vulkanChecks(host));
    assert.deepEqual([loader?.status, loader?.found], ["ok", `${place}/libvulkan.so.1`]);
  }
});

test("a driver is a manifest whose library is there", (t) => {
  const library = { "/usr/lib/x86_64-linux-gnu/libvulkan_radeon.so": "" };
  const whole = byName(vulkanChecks(madeUpHost(t, { ...LOADER, ...RADEON, ...library })));
  assert.deepEqual(
    [whole["Vulkan drivers"]?.status, whole["Vulkan drivers"]?.found],
    ["ok", "radeon_icd.x86_64.json"],
  );
  const files = { "/etc/os-release": DEBIAN, ...LOADER, ...RADEON, ...gpu("0x1002") };
  const broken = byName(vulkanChecks(madeUpHost(t, files)))["Vulkan drivers"];
  assert.equal(broken?.status, "missing");
  assert.match(
    broken?.found ?? "",
    /radeon_icd\.x86_64\.json names libvulkan_radeon\.so, which is not there/,
  );
  assert.equal(broken?.remedy, "as root: apt-get install mesa-vulkan-drivers");
  const rubbish = { ...LOADER, "/etc/vulkan/icd.d/a.json": "{", "/etc/vulkan/icd.d/b.json": '{"ICD": 1}' };
  assert.equal(byName(vulkanChecks(madeUpHost(t, rubbish)))["Vulkan drivers"]?.status, "missing");
});

test("the environment's manifests are the only ones, beside them libraries by path", (t) => {
  const files = {
    ...LOADER,
    ...RADEON,
    "/opt/soft/icd.json": '{"ICD": {"library_path": "./libvk_swiftshader.so"}}',
    "/opt/soft/libvk_swiftshader.so": "",
    ...gpu("0x1002"),
  };
  const environment = { VK_ICD_FILENAMES: "/opt/soft/icd.json" };
  const drivers = byName(vulkanChecks(madeUpHost(t, files, { environment })))["Vulkan drivers"];
  assert.equal(drivers?.status, "warning");
  assert.equal(drivers?.found, "icd.json: in software only, for tests");
  assert.match(drivers?.remedy ?? "", /Mesa/);
});

test("which driver to install follows from the GPU; without one there is software, for tests", (t) => {
  const remedy = (files: Record<string, string>) =>
    byName(vulkanChecks(madeUpHost(t, { ...LOADER, ...files })))["Vulkan drivers"]?.remedy ?? "";
  assert.equal(remedy({ "/etc/os-release": ARCH, ...gpu("0x8086") }), "as root: pacman -S vulkan-intel");
  assert.equal(remedy({ "/etc/os-release": ARCH, ...gpu("0x1002") }), "as root: pacman -S vulkan-radeon");
  assert.match(remedy({ "/etc/os-release": DEBIAN, ...gpu("0x10de") }), /NVIDIA's driver/);
  assert.match(remedy({ "/etc/os-release": DEBIAN }), /no GPU to drive.*VK_ICD_FILENAMES=/);
  const network = { "/sys/bus/pci/devices/0/class": "0x020000", "/sys/bus/pci/devices/0/vendor": "0x10de" };
  assert.match(remedy(network), /no GPU to drive/);
});

test("GPU nodes that this user may open are told of", (t) => {
  const nodes = byName(vulkanChecks(madeUpHost(t, { ...LOADER, "/dev/dri/renderD128": "" })))["GPU nodes"];
  assert.deepEqual([nodes?.status, nodes?.found], ["ok", "/dev/dri/renderD128"]);
});

test("other systems bring their own graphics, and Linux on ARM has no WebGPU in the package", (t) => {
  const status = (platform: string, architecture: string) =>
    vulkanChecks(madeUpHost(t, {}, { platform, architecture })).map(({ status }) => status);
  assert.deepEqual(status("darwin", "arm64"), ["ok"]);
  assert.deepEqual(status("win32", "x64"), ["ok"]);
  assert.deepEqual(status("linux", "arm64"), ["missing"]);
});
