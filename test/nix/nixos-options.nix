# What NixOS itself declares of the options that the modules set, with the types it has there.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  record = options: types.submodule { inherit options; };
  records = options: option (types.attrsOf (record options)) { };
  texts = types.listOf types.str;
  value = types.oneOf [ types.bool types.ints.unsigned types.str texts ];
  values = option (types.attrsOf value) { };
  switch = option types.bool false;
in
{
  options = {
    assertions = option (types.listOf types.anything) [ ];
    environment.systemPackages = option (types.listOf types.package) [ ];
    networking.hostName = option types.str "machine";
    nix.package = mkOption { type = types.package; };
    nix.settings.trusted-users = option texts [ ];
    services.caddy = {
      enable = switch;
      virtualHosts = records {
        useACMEHost = option (types.nullOr types.str) null;
        extraConfig = option types.lines "";
      };
    };
    services.nginx = {
      enable = switch;
      appendHttpConfig = option types.lines "";
      virtualHosts = records {
        enableACME = switch;
        forceSSL = switch;
        locations = records { extraConfig = option types.lines ""; };
      };
    };
    systemd.services = records {
      after = option texts [ ];
      description = option types.str "";
      environment = option (types.attrsOf (types.nullOr types.str)) { };
      path = option (types.listOf types.package) [ ];
      restartIfChanged = option types.bool true;
      serviceConfig = values;
      startAt = option types.str "";
      startLimitIntervalSec = option types.ints.unsigned 10;
      unitConfig = values;
      wantedBy = option texts [ ];
      wants = option texts [ ];
    };
    systemd.timers = records { timerConfig = values; };
    users.groups = records { };
    users.users = records {
      group = option types.str "";
      home = option types.str "/var/empty";
      isSystemUser = switch;
    };
  };
}
