import { expect, test } from "vitest";
import { namesDebian } from "./debian.mjs";

test("Debian and what is made from it are known by /etc/os-release", () => {
  expect(namesDebian('NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n')).toBe(true);
  expect(namesDebian("ID=ubuntu\nID_LIKE=debian\n")).toBe(true);
  expect(namesDebian('ID=linuxmint\nID_LIKE="ubuntu debian"\n')).toBe(true);
});

test("other systems are not taken for Debian, whatever else the file says", () => {
  expect(namesDebian("ID=nixos\n")).toBe(false);
  expect(namesDebian('ID=alpine\nHOME_URL="https://example.org/?not=debian"\n')).toBe(false);
});
