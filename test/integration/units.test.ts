import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { analyzeUnit, evaluateSystem } from "../support/nixos.ts";
import { root } from "../support/programs.ts";

interface Units {
  renderUnits: (root: string) => Promise<Record<string, string>>;
}

const directory = join(root, "systemd");

/** The lines of a section, without those that differ with the place: programs and their environment. */
function serviceLines(text: string): string[] {
  const section = text.split("[Service]\n")[1]?.split("\n\n")[0] ?? "";
  return section.split("\n").filter((line) => !/^(Exec|Environment|LoadCredential)/.test(line));
}

test("the files for other systems are those that the modules' units make", async () => {
  const { renderUnits } = (await import(join(root, "scripts/lib/units.mjs"))) as Units;
  const made = await renderUnits(root);
  const present = (await readdir(directory)).filter((name) => name !== "default.nix");
  expect(present.toSorted()).toEqual(Object.keys(made).toSorted());
  for (const [name, text] of Object.entries(made)) {
    expect(await readFile(join(directory, name), "utf8"), `${name}: npm run units`).toBe(text);
  }
});

test("a unit is the same on NixOS and elsewhere, but for where programs lie", async () => {
  const { services } = await evaluateSystem(`{
    services.gradient-coordinator = { enable = true; domain = "farm.example.org"; };
    services.gradient-worker = { enable = true; serverUrl = "wss://x"; peersFile = "/run/peers"; };
  }`);
  for (const name of ["gradient-coordinator", "gradient-worker"]) {
    const lines = serviceLines(await readFile(join(directory, `${name}.service`), "utf8"));
    const settings = Object.entries(services[name]?.serviceConfig ?? {}).flatMap(([key, value]) =>
      (typeof value === "object" ? value : [value]).map((each) => `${key}=${each}`),
    );
    const shared = settings.filter((line) => !/^(Exec|LoadCredential)/.test(line));
    expect(lines.map(placeless).toSorted()).toEqual(shared.map(placeless).toSorted());
  }
});

/** `%S` is where NixOS has the directory by its name. */
function placeless(line: string): string {
  return line.replace("=/var/lib/", "=%S/");
}

test("systemd understands the files", async () => {
  for (const name of ["gradient-coordinator.service", "gradient-worker.service"]) {
    const text = await readFile(join(directory, name), "utf8");
    const { complaints, exposure } = await analyzeUnit(name, text);
    expect(complaints.filter((line) => !line.includes("DelegateSubgroup"))).toEqual([]);
    if (name === "gradient-coordinator.service") expect(exposure).toBeLessThan(2);
  }
});
