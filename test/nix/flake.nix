# Stands in for nixpkgs where it cannot be had: as much of it as our flake asks for, with packages that are only named.
{
  outputs = { self }:
    let
      standIn = import ./lib.nix;
      package = system: name: attributes: derivation ({ inherit name system; builder = "/builder"; } // attributes);
      packagesOf = system:
        let
          pkgs = builtins.listToAttrs (map (name: { inherit name; value = package system name { }; }) [
            "bash" "coreutils" "curl" "gitMinimal" "jq" "nodejs" "openssh" "python3" "systemd"
          ]) // {
            inherit lib;
            stdenv = {
              shell = "/bin/sh";
              hostPlatform.parsed.cpu.name = builtins.head (builtins.split "-" system);
              mkDerivation = { pname, version, meta, ... }@attributes:
                package system "${pname}-${version}" (removeAttrs attributes [ "meta" "passAsFile" ]) // { inherit meta; };
            };
            fetchurl = { url, hash }: "/fetched/${hash}?${url}";
            callPackage = file: arguments:
              let function = import file; in
              function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // arguments);
            writeText = name: text: package system name { inherit text; };
            runCommand = name: attributes: script: package system name (attributes // { inherit script; });
          };
        in
        pkgs;

      # NixOS makes a file of each unit; here it is enough that there is a unit to make one of.
      withUnits = system: { config, ... }: {
        options = {
          boot.isContainer = lib.mkOption { type = lib.types.bool; };
          system.stateVersion = lib.mkOption { type = lib.types.str; };
          systemd.units = lib.mkOption { type = lib.types.anything; default = { }; };
        };
        config.nix.package = (packagesOf system).bash;
        config.systemd.units = lib.mapAttrs' (name: service:
          lib.nameValuePair "${name}.service" { unit = package system "unit-${name}" { text = builtins.toJSON service.serviceConfig; }; }
        ) config.systemd.services;
      };

      lib = standIn // {
        genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
        nixosSystem = { system, modules }: standIn.evalModules {
          specialArgs.pkgs = packagesOf system;
          modules = modules ++ [ ./nixos-options.nix (withUnits system) ];
        };
      };
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] packagesOf;
    };
}
