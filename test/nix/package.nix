# What the package of a daemon hands to its builder, without nixpkgs: its lock file, and the addresses that it fetches.
{ name }:
let
  package = import ../../nixos-module/package.nix {
    inherit name;
    lib = import ./lib.nix;
    stdenv = {
      shell = "/bin/sh";
      hostPlatform.parsed.cpu.name = "x86_64";
      mkDerivation = attributes: attributes;
    };
    fetchurl = { url, hash }: "/fetched/${hash}?${url}";
    nodejs = "/node";
    python3 = "/python3";
  };
in
{
  inherit (package) pname version;
  lock = builtins.fromJSON package.lockFile;
}
