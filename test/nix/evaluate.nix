# A configuration with the modules, evaluated: `nixpkgs` names a tree with nixpkgs' lib, or all of nixpkgs; without it the stand-in is used.
{ configuration, nixpkgs ? null }:
let
  lib = if nixpkgs == null then import ./lib.nix else import (/. + "${nixpkgs}/lib");
  isNixos = nixpkgs != null && builtins.pathExists (/. + "${nixpkgs}/nixos/lib/eval-config.nix");
  modules = [ ../../nixos-module (/. + configuration) ];

  # Packages are only named here.
  package = name: derivation { inherit name; system = "x86_64-linux"; builder = "/builder"; };
  pkgs = builtins.listToAttrs (map (name: { inherit name; value = package name; }) [ "bash" "coreutils" "curl" "gitMinimal" "jq" "openssh" ]) // {
    callPackage = _file: { name }: package "gradient-${name}";
    writeText = name: text: package name // { inherit text; };
    runCommand = name: _attributes: script: package name // { inherit script; };
  };

  alone = lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = modules ++ [ ./nixos-options.nix { nix.package = package "nix"; } ];
  };
  nixos = import (/. + "${nixpkgs}/nixos/lib/eval-config.nix") {
    system = "x86_64-linux";
    modules = modules ++ [ { boot.isContainer = true; networking.hostName = "machine"; system.stateVersion = "25.05"; } ];
  };
  inherit (if isNixos then nixos else alone) config options;

  ours = lib.filterAttrs (name: _value: lib.hasPrefix "gradient-" name);
  state = import ../../nixos-module/state.nix {
    inherit lib;
    inherit (import ../../nixos-module/lib.nix { inherit lib; }) secretFile;
  };

  # Every option below, with the facts that it has to have.
  documented = path: option:
    if option._type or "" == "option" then [
      {
        name = lib.concatStringsSep "." path;
        description = option.description or null;
        hasDefault = option ? default || option ? defaultText;
        hasExample = option ? example;
        hasType = option ? type;
      }
    ]
    else builtins.concatLists (lib.mapAttrsToList (name: documented (path ++ [ name ])) option);
in
{
  services = lib.mapAttrs (_name: service: {
    inherit (service) after description environment serviceConfig startLimitIntervalSec unitConfig wantedBy wants;
  }) (ours config.systemd.services);
  timers = lib.mapAttrs (_name: timer: timer.timerConfig) (ours config.systemd.timers);
  failures = map (each: each.message) (lib.filter (each: !each.assertion) config.assertions);
  users = builtins.attrNames (ours config.users.users);
  trustedUsers = config.nix.settings.trusted-users;
  nginx = { inherit (config.services.nginx) enable appendHttpConfig; hosts = lib.mapAttrs (_name: host: host.locations."/".extraConfig) config.services.nginx.virtualHosts; };
  caddy = { inherit (config.services.caddy) enable; hosts = lib.mapAttrs (_name: host: host.extraConfig) config.services.caddy.virtualHosts; };
  state = state.render config.services.gradient-coordinator.state;
  options = lib.filter (each: each.name != "") (
    documented [ "services" "gradient-coordinator" ] options.services.gradient-coordinator
    ++ documented [ "services" "gradient-worker" ] options.services.gradient-worker
    ++ documented [ "system" "gradient-deploy" ] options.system.gradient-deploy
  );
}
